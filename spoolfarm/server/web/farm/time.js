// Durations for people.

import { number, text } from "../text.js";

/** Seconds, minutes, hours or days. */
export function duration(seconds) {
  if (seconds < 120) return text("seconds", { n: number(seconds < 10 ? Math.round(seconds * 10) / 10 : Math.round(seconds)) });
  if (seconds < 7200) return text("minutes", { n: number(Math.round(seconds / 60)) });
  if (seconds < 172800) return text("hours", { n: number(Math.round(seconds / 3600)) });
  return text("days", { n: number(Math.round(seconds / 86400)) });
}
