// The API key: asked for when the farm wants it, and kept for this tab.

import { byId } from "./dom.js";
import { text } from "./text.js";

const NAME = "spoolfarm-key";
let asking = null;
/** The key, for as long as the page is there. */
let held = "";

/** What `act` makes of the tab's storage; undefined where the browser has none, as with cookies blocked. */
function kept(act) {
  try {
    return act(sessionStorage);
  } catch {
    return undefined;
  }
}

/** The key that was entered in this tab, or "". */
export const key = () => kept(storage => storage.getItem(NAME) ?? "") ?? held;

function hold(given) {
  held = given;
  kept(storage => given ? storage.setItem(NAME, given) : storage.removeItem(NAME));
}

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
      if (given) hold(input.value.trim());
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
    hold("");
    dialog.close("");
  });
  byId("key-open").addEventListener("click", async () => {
    if (await askForKey()) location.reload();
  });
}
