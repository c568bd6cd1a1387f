// The code of an error, which leads to what the manual says of it.

import { address } from "./ask.js";
import { make } from "./dom.js";
import { textOr } from "./text.js";

/** The sentences of errors are English: readers of another language are told in theirs, too, what kind of error it is. */
const foreign = !document.documentElement.lang.startsWith("en");

/** A link for `code`, which says what it means; null where there is none. */
export function explained(code) {
  if (!code) return null;
  const meaning = textOr(`code_${code}`, "");
  return make("a", { href: address(`help?${new URLSearchParams({ q: code })}`), title: meaning || null },
    foreign && meaning ? `${meaning} ` : "", make("code", {}, code));
}
