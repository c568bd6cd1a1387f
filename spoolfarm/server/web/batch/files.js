// The files of a new batch: chosen or dropped, folders with all that is in them, and sent one by one.

import { address, send } from "../ask.js";
import { make } from "../dom.js";
import { key } from "../key.js";
import { download } from "../save.js";

/** Files that are sent at once. */
const AT_ONCE = 4;

/** The files of an input, each with its name below the folder that was chosen. */
export const chosen = input => [...input.files].map(file => ({ file, name: file.webkitRelativePath || file.name }));

/** The files that were dropped, those in dropped folders too. */
export async function dropped(transfer) {
  const entries = [...transfer.items].map(item => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return [...transfer.files].map(file => ({ file, name: file.name }));
  const found = [];
  for (const entry of entries) await walk(entry, found);
  return found;
}

async function walk(entry, found) {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => { entry.file(resolve, reject); });
    found.push({ file, name: entry.fullPath.replace(/^\//, "") });
    return;
  }
  const reader = entry.createReader();
  for (;;) { // each call reads a part
    const part = await new Promise((resolve, reject) => { reader.readEntries(resolve, reject); });
    if (!part.length) return;
    for (const each of part) await walk(each, found);
  }
}

/** Send `files` to a batch; `tell` hears how many are there. Throws the first refusal, when those under way are over. */
export async function sendAll(id, files, tell) {
  const waiting = [...files];
  let sent = 0;
  async function work() {
    for (let each = waiting.shift(); each; each = waiting.shift()) {
      const body = new FormData();
      body.append("name", each.name);
      body.append("file", each.file, "file");
      try {
        await send(`v1/batches/${id}/files`, { method: "POST", body });
      } catch (error) {
        waiting.length = 0;
        error.message = `${each.name}: ${error.message}`;
        throw error;
      }
      tell(++sent);
    }
  }
  const ended = await Promise.allSettled(Array.from({ length: AT_ONCE }, work));
  const failed = ended.find(each => each.status === "rejected");
  if (failed) throw failed.reason;
}

/** Have the browser save what lies at `path`: by a link, or where that needs the key, by way of memory. */
export async function takeAway(path, name) {
  if (key()) await download(path, name);
  else make("a", { href: address(path), download: name }).click();
}
