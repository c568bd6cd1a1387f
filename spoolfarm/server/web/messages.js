// Messages that come at the edge of the page, are read aloud, and go by themselves unless they tell of a failure.

import { byId, make } from "./dom.js";
import { explained } from "./explained.js";
import { text } from "./text.js";

/** Milliseconds that a good message stays, and how many are shown at once. */
const STAYS = 4000;
const MOST = 4;

/** Say something. */
export const say = words => show(words, "");

/** Say that something failed: an Error, or text. */
export function complain(error) {
  if (error.name !== "AbortError") show(error.message ?? error, "bad", error.code);
}

function show(words, kind, code) {
  const close = make("button", { type: "button", class: "quiet", "aria-label": text("close") }, "×");
  const message = make("div", { class: `message ${kind}` }, make("span", {}, words), explained(code), close);
  close.addEventListener("click", () => message.remove());
  byId("messages").append(message);
  while (byId("messages").children.length > MOST) byId("messages").firstChild.remove();
  if (kind !== "bad") setTimeout(() => message.remove(), STAYS);
}
