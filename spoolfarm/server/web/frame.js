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

byId("theme").addEventListener("change", event => {
  const theme = event.target.value === "system" ? "" : event.target.value;
  keep("theme", theme);
  if (theme) html.dataset.theme = theme;
  else delete html.dataset.theme;
  html.dispatchEvent(new Event("theme"));
});

byId("language").addEventListener("click", event => {
  event.preventDefault();
  keep("language", event.target.hreflang);
  location.reload();
});

// A link may name a language; once it is kept, the address is without it.
const here = new URL(location.href);
if (here.searchParams.has("lang")) {
  here.searchParams.delete("lang");
  history.replaceState(history.state, "", here);
}

begin();
