// Words for the clipboard, and files for the reader's disk.

import { send } from "./ask.js";
import { make } from "./dom.js";
import { say } from "./messages.js";
import { text } from "./text.js";

/** Milliseconds after which the browser has begun to save a file. */
const BEGUN = 60_000;

/** Have the browser save a blob, or text, as a file. */
export function save(name, content) {
  const blob = content instanceof Blob ? content : new Blob([content], { type: "text/plain;charset=utf-8" });
  const url = URL.createObjectURL(blob);
  make("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), BEGUN);
}

/** Have the browser save what lies at `path` as a file. */
export async function download(path, name) {
  save(name, await (await send(path)).blob());
}

/** Put words on the clipboard; where pages without TLS may not, they are selected for the reader to copy. */
export async function copy(words) {
  try {
    await navigator.clipboard.writeText(words);
  } catch {
    const area = make("textarea", { class: "unseen", "aria-hidden": "true" });
    area.value = words;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  say(text("copied"));
}
