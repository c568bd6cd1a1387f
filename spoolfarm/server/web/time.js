// Times and durations for people.

import { make } from "./dom.js";
import { number, text } from "./text.js";

const language = document.documentElement.lang;
const relative = new Intl.RelativeTimeFormat(language, { numeric: "auto", style: "short" });
const exact = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "medium" });
/** The units of durations from a minute on, each by its seconds, its name and its word; the last ends the one before. */
const UNITS = [[86400, "day", "for_days"], [3600, "hour", "for_hours"], [60, "minute", "for_minutes"], [1, "second", "for_seconds"]];

/** Seconds by which the reader's clock and the farm's may differ without being wrong. */
const NEAR = 5;
let ahead = 0;

/** Take the farm's time from the header `Date` of an answer: the reader's clock may be wrong. */
export function heed(date) {
  const off = (Date.now() - Date.parse(date)) / 1000;
  ahead = Math.abs(off) > NEAR ? off : 0; // and 0 where there is no date
}

/** Seconds since 1970, by the farm's clock. */
export const now = () => Date.now() / 1000 - ahead;

/** Seconds as a person says them, in two units at most; a dash when there are none. */
export function duration(seconds) {
  if (seconds === null) return "–";
  const whole = Math.max(0, seconds);
  if (whole < 1) return text("for_milliseconds", { n: number(Math.round(whole * 1000)) });
  if (whole < 60) return text("for_seconds", { n: number(Math.round(whole * 10) / 10) });
  const at = UNITS.findIndex(([size]) => whole >= size);
  const [[size, , word], [next, , rest]] = UNITS.slice(at);
  return `${text(word, { n: number(Math.floor(whole / size)) })} ${text(rest, { n: Math.floor(whole % size / next) })}`;
}

/** When something was, in seconds since 1970, to the second; a dash for what is no time. */
export function when(seconds) {
  const date = new Date(seconds * 1000);
  return Number.isNaN(date.getTime()) ? "–" : exact.format(date);
}

/** How long ago something was; the exact time is told to who points at it. */
export function ago(seconds) {
  const made = make("time", { datetime: new Date(seconds * 1000).toISOString(), title: when(seconds) });
  made.dataset.at = seconds;
  return age(made);
}

/** Have a `time` that `ago` made tell how long ago it is by now. */
export function age(made) {
  const past = Math.max(0, now() - Number(made.dataset.at));
  const [size, unit] = UNITS.find(([least]) => past >= least) ?? UNITS.at(-1);
  made.textContent = relative.format(-Math.floor(past / size), unit);
  return made;
}
