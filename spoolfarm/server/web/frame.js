// What every page has: the choice of language and theme, and the place for the key.

import { root } from "./ask.js";
import { byId } from "./dom.js";
import { begin } from "./key.js";

const YEAR = 365 * 86400;
const html = document.documentElement;

function keep(name, value) {
  const age = value ? YEAR : 0;
  document.cookie = `spoolfarm-${name}=${value}; path=${root.pathname}; max-age=${age}; samesite=lax`;
}

function chooseTheme() {
  const theme = byId("theme").value === "system" ? "" : byId("theme").value;
  if (theme === (html.dataset.theme ?? "")) return;
  keep("theme", theme);
  if (theme) html.dataset.theme = theme;
  else delete html.dataset.theme;
  html.dispatchEvent(new Event("theme"));
}

byId("theme").addEventListener("change", chooseTheme);
chooseTheme(); // it may have been chosen before this module was there

byId("language").addEventListener("click", event => {
  keep("language", event.target.hreflang);
  if (!document.cookie.includes("spoolfarm-language")) return; // the link names it, for this once
  event.preventDefault();
  location.reload();
});

// A link may name a language; once it is kept, the address is without it.
const here = new URL(location.href);
if (here.searchParams.has("lang")) {
  here.searchParams.delete("lang");
  history.replaceState(history.state, "", here);
}

// On a phone the bar may be longer than the screen.
document.querySelector(".bar [aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });

begin();
