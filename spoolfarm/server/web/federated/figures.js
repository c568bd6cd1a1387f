// The figures of runs in words.

import { address } from "../ask.js";
import { make } from "../dom.js";
import { text, textOr } from "../text.js";

const digits = new Intl.NumberFormat(document.documentElement.lang, { maximumSignificantDigits: 4 });
const signed = new Intl.NumberFormat(document.documentElement.lang, { maximumFractionDigits: 4, signDisplay: "always" });
/** The colour of each state. */
const KINDS = { queued: "queued", running: "running", completed: "succeeded", failed: "failed" };

/** An accuracy or a loss; a dash for none. */
export const figure = value => value === null || value === undefined ? "–" : digits.format(value);

/** By how much one differs from another; a dash where one of them is missing. */
export const difference = (value, base) => [value, base].some(each => each === null || each === undefined) ? "–" : signed.format(value - base);

/** Whether nothing is done for a run any more. */
export const isOver = run => !["queued", "running"].includes(run.state);

/** Have `element` say the state of a run. */
export function showState(element, run) {
  element.className = `state ${KINDS[run.state] ?? ""}`;
  element.textContent = text(`is_${run.state}`);
}

/** Who started a run. */
export const starter = run => textOr(`by_${run.source}`, run.source);

/** How many rounds are over, and of how many. */
export const rounds = run => run.rounds_wanted ? `${run.rounds_done} / ${run.rounds_wanted}` : String(run.rounds_done);

/** Where the figures of a run with curves stand: at its best or last round, or that of a number; -1 for nowhere. */
export function place(run, at) {
  if (at === "last") return run.rounds.length - 1;
  return run.rounds.indexOf(at === "best" ? run.at?.round : Number(at));
}

/** Where the page of a run is. */
export const pageOf = id => address(`federated/${encodeURIComponent(id)}`);

/** The name of a run as a link to its page, which breaks where a name does. */
export function link(run) {
  const parts = run.id.split(/(?<=_)/);
  return make("a", { href: pageOf(run.id) }, ...parts.flatMap((each, at) => at ? [make("wbr"), each] : [each]));
}
