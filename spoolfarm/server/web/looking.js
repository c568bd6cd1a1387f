// Looking at the farm again and again, while the page is seen.

import { byId } from "./dom.js";

/** Milliseconds until the next look after one that failed. */
const AFTER_FAILURE = 5000;

/**
 * A function that calls `look` now and from then on; each look returns the milliseconds until the next. Its failure is
 * told at the top of the page, and is the end of looking when its status is one of `final`.
 */
export function looking(look, final = [401]) {
  let timer;
  async function again() {
    clearTimeout(timer);
    let pause = AFTER_FAILURE;
    try {
      pause = await look();
      byId("trouble").hidden = true;
    } catch (error) {
      byId("trouble").textContent = error.message;
      byId("trouble").hidden = false;
      if (final.includes(error.status)) return;
    }
    clearTimeout(timer); // another look may have ended meanwhile
    if (!document.hidden) timer = setTimeout(again, pause);
  }
  document.addEventListener("visibilitychange", () => document.hidden ? clearTimeout(timer) : again());
  return again;
}
