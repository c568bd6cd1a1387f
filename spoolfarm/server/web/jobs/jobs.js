// The page of all jobs: filters, the list, what is new, and the keys.

import { byId, make } from "../dom.js";
import { complain } from "../messages.js";
import { Stream } from "../stream.js";
import { number, text } from "../text.js";
import * as bulk from "./bulk.js";
import * as filters from "./filters.js";
import { list } from "./list.js";

/** Milliseconds between two looks at what has changed, at least. */
const PACE = 1000;

let due = null;

/** Look soon: changes that come together are shown together. */
function soon() {
  due ??= setTimeout(async () => {
    await list.refresh().catch(() => {}); // it is looked again at the next change
    due = null;
  }, PACE);
}

function badges({ queued, running, dead, workers }) {
  const waiting = Object.values(queued).reduce((sum, each) => sum + each, 0);
  for (const [name, count] of Object.entries({ queued: waiting, running, failed: dead })) {
    byId(`count-${name}`).textContent = count ? number(count) : "";
  }
  byId("live").className = "live on";
  byId("live").textContent = `${text("live")} · ${text("workers", { n: number(workers) })}`;
}

function heard({ event, data }) {
  if (event !== "farm") return;
  badges(data);
  soon();
}

/** The keys: `/` to the filter, up and down from job to job. */
document.addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  const typing = event.target.matches("input, select, textarea");
  if (event.key === "/" && !typing) {
    byId("more-filters").open = true;
    byId("name").focus();
    event.preventDefault();
  }
  const step = { ArrowDown: 1, ArrowUp: -1, j: 1, k: -1 }[event.key];
  if (!step || typing) return;
  const links = [...document.querySelectorAll("#jobs .what a")];
  const at = links.findIndex(link => link.closest("tr").contains(document.activeElement));
  if (at < 0 && event.key.startsWith("Arrow")) return;
  links[at < 0 ? 0 : at + step]?.focus();
  event.preventDefault();
});

const keys = { slash: "/", down: "↓", up: "↑", enter: "Enter" };
byId("keys").append(...text("keys", Object.fromEntries(Object.keys(keys).map(name => [name, `\n${name}\n`])))
  .split("\n").map(part => part in keys ? make("kbd", {}, keys[part]) : part));

function changed() {
  bulk.allow();
  list.reload();
}

filters.begin(changed);
bulk.begin(() => list.reload());
changed();
new Stream("v1/changes", heard, complain).open();
