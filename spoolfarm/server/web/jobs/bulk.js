// Acts on all jobs that fit: they are counted first, and what is done is done to those that were counted.

import { address, post } from "../ask.js";
import { byId, make } from "../dom.js";
import { complain, say } from "../messages.js";
import { posting } from "../shell.js";
import { number, text } from "../text.js";
import { filter, inWords } from "./filters.js";

/** Jobs of one call. */
const LIMIT = 500;
/** The states of the jobs that each act is for. */
const MEANT = { retry: ["failed"], cancel: ["queued", "running"], delete: ["succeeded", "failed", "cancelled"] };

const dialog = byId("bulk");
let stopped = false;

/** Show which acts the chosen state allows. */
export function allow() {
  const { status } = filter();
  for (const button of document.querySelectorAll("[data-act]")) {
    button.disabled = Boolean(status) && !MEANT[button.dataset.act].includes(status);
  }
}

/** Make the buttons work; `done` is called after each act. */
export function begin(done) {
  for (const button of document.querySelectorAll("[data-act]")) {
    button.addEventListener("click", () => open(button.dataset.act, done));
  }
  byId("bulk-close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => { stopped = true; });
}

async function open(action, done) {
  const meant = filter();
  stopped = false;
  byId("bulk-title").textContent = text(`bulk_${action}`);
  byId("bulk-filter").textContent = text("bulk_of", { filter: inWords() || text("bulk_everything") });
  byId("bulk-curl").textContent = posting({ action, filter: meant, dry_run: true }, address("v1/bulk"));
  byId("bulk-warning").hidden = action !== "delete";
  byId("bulk-refused").replaceChildren();
  byId("bulk-progress").hidden = true;
  byId("bulk-close").textContent = text("close");
  const button = byId("bulk-do");
  button.disabled = true;
  button.textContent = text(action === "cancel" ? "cancel_job" : action);
  button.className = action === "delete" ? "danger" : "main";
  const mine = Symbol(action);
  open.last = mine;
  dialog.showModal();
  try {
    const count = await all(action, meant, "", true, tally => {
      byId("bulk-count").textContent = text("counting", { n: number(tally.matched) });
    });
    if (stopped || open.last !== mine) return;
    show(action, count);
    button.disabled = !count.done;
    button.onclick = () => act(action, meant, count, done);
    button.focus();
  } catch (error) {
    dialog.close();
    complain(error);
  }
}

function show(action, { matched, done, refused }) {
  byId("bulk-count").textContent = done
    ? text(`count_${action}`, { done: number(done), all: number(matched) }) : text("count_none");
  byId("bulk-refused").replaceChildren(...[...refused].map(([reason, n]) =>
    make("li", {}, text("refused", { n: number(n), reason }))));
}

async function act(action, meant, count, done) {
  const progress = byId("bulk-progress");
  byId("bulk-do").disabled = true;
  byId("bulk-close").textContent = text("stop");
  progress.hidden = false;
  progress.value = 0;
  try {
    const end = await all(action, meant, count.before, false, tally => {
      progress.value = tally.matched / count.matched;
      byId("bulk-count").textContent = text("acting", { done: number(tally.done), all: number(count.done) });
    });
    say([text("acted", { done: number(end.done) }),
      ...[...end.refused].map(([reason, n]) => text("refused", { n: number(n), reason }))].join(" "));
  } catch (error) {
    complain(error);
  }
  dialog.close();
  done();
}

/** Go through all that fit, call after call, until the dialog is closed; the sums of what the calls say. */
async function all(action, meant, before, dryRun, told) {
  const sum = { matched: 0, done: 0, refused: new Map(), before };
  for (let next = before; next !== null && !stopped;) {
    const said = await post("v1/bulk", { action, filter: meant, before: next, limit: LIMIT, dry_run: dryRun });
    sum.before ||= said.before;
    sum.matched += said.matched;
    sum.done += said.done;
    for (const { reason, count } of said.refused) sum.refused.set(reason, (sum.refused.get(reason) ?? 0) + count);
    next = said.next;
    told(sum);
  }
  return sum;
}
