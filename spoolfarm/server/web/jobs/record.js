// A job's record in words: its state, its times, where it came from.

import { make } from "../dom.js";
import { number, textOr } from "../text.js";

const language = document.documentElement.lang;
const relative = new Intl.RelativeTimeFormat(language, { numeric: "auto", style: "short" });
const exact = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "medium" });
const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60]];

export const now = () => Date.now() / 1000;
export const hasEnded = record => !["queued", "running"].includes(record.status);

/** A badge with the state. */
export const state = record => make("span", { class: `state ${record.status}` }, textOr(`state_${record.status}`, record.status));

/** What a job is called: by its file, or else its task. */
export const title = record => record.name || record.task;

/** Who submitted it. */
export const source = record => record.source ? textOr(`source_${record.source}`, record.source) : "";

/** Seconds as a person says them; a dash when there are none. */
export function duration(seconds) {
  if (seconds === null) return "–";
  const whole = Math.max(0, seconds);
  if (whole < 1) return `${number(Math.round(whole * 1000))} ms`;
  if (whole < 60) return `${number(Math.round(whole * 10) / 10)} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${Math.floor(whole % 60)} s`;
  if (whole < 86400) return `${Math.floor(whole / 3600)} h ${Math.floor(whole % 3600 / 60)} min`;
  return `${Math.floor(whole / 86400)} d ${Math.floor(whole % 86400 / 3600)} h`;
}

/** When something was, in seconds since 1970, to the second. */
export const when = seconds => exact.format(new Date(seconds * 1000));

/** How long ago something was; the exact time is told to who points at it. */
export function ago(seconds) {
  const made = make("time", { datetime: new Date(seconds * 1000).toISOString(), title: when(seconds) });
  made.dataset.at = seconds;
  return age(made);
}

/** Have a `time` that `ago` made tell how long ago it is by now. */
export function age(made) {
  const past = now() - Number(made.dataset.at);
  const [unit, size] = UNITS.find(([, least]) => past >= least) ?? ["second", 1];
  made.textContent = relative.format(-Math.max(0, Math.floor(past / size)), unit);
  return made;
}

/** When a worker first had the job; null before that. */
const begun = record => record.lost?.[0]?.started ?? record.started;

/** Seconds that it has waited for its first worker. */
export const waited = record => (begun(record) ?? record.finished ?? now()) - record.created;

/** Seconds that its last attempt has run; null before there is one. */
export const ran = record => record.started === null ? null : (record.finished ?? now()) - record.started;
