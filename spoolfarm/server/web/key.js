// The API key: asked for when the farm wants it, and kept for this tab.

import { byId } from "./dom.js";
import { text } from "./text.js";

const NAME = "spoolfarm-key";
let asking = null;

/** The key that was entered in this tab, or "". */
export const key = () => sessionStorage.getItem(NAME) || "";

/** Ask for the key. Resolves to whether one was given; whoever asks meanwhile waits for the same answer. */
export function askForKey() {
  asking ??= new Promise(resolve => {
    const dialog = byId("key");
    const input = dialog.querySelector("input");
    byId("key-wrong").textContent = key() ? text("key_wrong") : "";
    dialog.returnValue = "";
    input.value = "";
    dialog.addEventListener("close", () => {
      asking = null;
      const given = dialog.returnValue === "given";
      if (given) sessionStorage.setItem(NAME, input.value.trim());
      resolve(given);
    }, { once: true });
    dialog.showModal();
  });
  return asking;
}

/** Make the button and the dialog work, where the farm has a key. */
export function begin() {
  const dialog = byId("key");
  if (!dialog) return;
  dialog.querySelector("form").addEventListener("submit", event => {
    event.preventDefault();
    dialog.close("given");
  });
  byId("key-cancel").addEventListener("click", () => dialog.close(""));
  byId("key-forget").addEventListener("click", () => {
    sessionStorage.removeItem(NAME);
    dialog.close("");
  });
  byId("key-open").addEventListener("click", async () => {
    if (await askForKey()) location.reload();
  });
}
