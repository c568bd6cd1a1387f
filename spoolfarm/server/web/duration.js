// Durations for people.

import { number, text } from "./text.js";

/** Seconds, minutes, hours or days. */
export function duration(seconds) {
  if (seconds < 120) return text("for_seconds", { n: number(seconds < 10 ? Math.round(seconds * 10) / 10 : Math.round(seconds)) });
  if (seconds < 7200) return text("for_minutes", { n: number(Math.round(seconds / 60)) });
  if (seconds < 172800) return text("for_hours", { n: number(Math.round(seconds / 3600)) });
  return text("for_days", { n: number(Math.round(seconds / 86400)) });
}
