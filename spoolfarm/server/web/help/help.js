// The manual: its search, and what helps to read it.

import { ask } from "../ask.js";
import { byId, debounced, make } from "../dom.js";
import { complain } from "../messages.js";
import { copy } from "../save.js";
import { number, text } from "../text.js";

/** Milliseconds without a keystroke after which the words are searched for, and the width from which the pages are listed. */
const PAUSE = 150;
const WIDE = matchMedia("(min-width: 60rem)");

const language = document.documentElement.lang.slice(0, 2);
const input = byId("words");
let latest = 0;

async function search() {
  const words = input.value.trim();
  const mine = ++latest;
  const here = new URL(location.href);
  if (words) here.searchParams.set("q", words);
  else here.searchParams.delete("q");
  history.replaceState(history.state, "", here);
  const found = words ? await ask(`help/search?${new URLSearchParams({ q: words, lang: language })}`) : null;
  if (mine !== latest) return; // other words have been typed meanwhile
  byId("page").hidden = Boolean(found);
  byId("found").hidden = !found;
  if (!found) return;
  byId("count").textContent = found.sections.length ? text("found", { n: number(found.sections.length) }) : text("found_none");
  byId("hits").replaceChildren(...found.sections.map(each => hit(each, words.split(/\s+/))));
}

function hit(section, words) {
  const where = section.title === section.page ? section.page : `${section.page} › ${section.title}`;
  return make("li", { lang: section.lang === language ? null : section.lang },
    make("a", { href: section.address, onclick: leave }, where), make("p", {}, ...marked(section.excerpt, words)));
}

/** A section of this very page is shown by no load: the search ends then. */
function leave(event) {
  if (new URL(event.currentTarget.href).pathname !== location.pathname) return;
  input.value = "";
  search();
}

/** `words` as the nodes of a text in which those that were searched for are marked, where a word begins with them. */
function marked(words, searched) {
  const any = searched.map(each => each.replaceAll(/[^\p{L}\p{N}_]/gu, "\\$&")).join("|");
  return words.split(new RegExp(`(?<![a-z0-9])(${any})`, "gi")).map((part, at) => at % 2 ? make("mark", {}, part) : part);
}

const soon = debounced(() => search().catch(complain), PAUSE);
input.addEventListener("input", soon);
byId("search").addEventListener("submit", event => {
  event.preventDefault();
  search().catch(complain);
});
document.addEventListener("keydown", event => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select, dialog *")) return;
  event.preventDefault();
  input.focus();
});

/** What is wider than the page is scrolled, also by keyboard. */
function reach() {
  for (const wide of document.querySelectorAll("article pre, article .table")) {
    if (wide.scrollWidth > wide.clientWidth) wide.tabIndex = 0;
    else wide.removeAttribute("tabindex");
  }
}
new ResizeObserver(reach).observe(document.querySelector("article"));

for (const example of document.querySelectorAll("article pre")) {
  const words = example.textContent;
  example.parentNode.insertBefore(make("div", { class: "example" }), example).append(example,
    make("button", { type: "button", class: "quiet", onclick: () => copy(words) }, text("copy")));
}

const fold = () => byId("contents").open = WIDE.matches;
WIDE.addEventListener("change", fold);
fold();

const asked = new URLSearchParams(location.search).get("q");
if (asked) {
  input.value = asked;
  search().catch(complain);
}
