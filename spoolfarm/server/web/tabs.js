// Tabs: the buttons of role tab of one panel, by mouse and by the arrow keys.

import { byId } from "./dom.js";

/**
 * Make the tabs of the panel with the id `panel` work: `chosen` is called with the name of the one that is chosen, which
 * is the end of its id. What is returned shows a tab as chosen, by that name.
 */
export function tabs(panel, chosen) {
  const all = [...document.querySelectorAll(`[role="tab"][aria-controls="${panel}"]`)];
  const nameOf = tab => tab.id.split("-").at(-1);
  const show = name => {
    for (const tab of all) {
      tab.setAttribute("aria-selected", String(nameOf(tab) === name));
      tab.tabIndex = nameOf(tab) === name ? 0 : -1;
      if (nameOf(tab) === name) byId(panel).setAttribute("aria-labelledby", tab.id);
    }
  };
  for (const [at, tab] of all.entries()) {
    tab.addEventListener("click", () => {
      show(nameOf(tab));
      chosen(nameOf(tab));
    });
    tab.addEventListener("keydown", event => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      const next = step && all[(at + step + all.length) % all.length];
      next?.focus();
      next?.click();
    });
  }
  return show;
}
