// A question before what cannot be undone, or is done to much.

import { make } from "./dom.js";
import { text } from "./text.js";

/** Ask `question`; resolves to whether the reader presses the button that says `act`, of the class `kind`. */
export function sure(question, act, kind = "danger") {
  const dialog = make("dialog", { id: "sure", "aria-labelledby": "sure-title" }, make("form", { method: "dialog" },
    make("p", { id: "sure-title" }, question),
    make("div", { class: "row end" }, make("button", { value: "" }, text("cancel")), make("button", { class: kind, value: "yes" }, act))));
  document.body.append(dialog);
  dialog.showModal();
  return new Promise(resolve => dialog.addEventListener("close", () => {
    dialog.remove();
    resolve(dialog.returnValue === "yes");
  }));
}
