// The log: each line once, as it is written; the view stays at the end while it is followed.

import { byId } from "../dom.js";
import { hasEnded } from "../jobs/record.js";
import { save } from "../save.js";
import { number, text } from "../text.js";

/** Lines that are shown at most, the last ones; all of them can be downloaded. */
const SHOWN = 5000;

export class Log {
  constructor(id) {
    this.place = byId("log");
    this.lines = [];
    this.waiting = [];
    byId("log-save").addEventListener("click", () => save(`${id}.log`, this.lines.map(line => `${line}\n`).join("")));
    byId("log-follow").addEventListener("change", () => this.stayAtEnd());
    this.place.addEventListener("wheel", event => {
      if (event.deltaY < 0) byId("log-follow").checked = false;
    }, { passive: true });
    this.tell();
  }

  /** Add the line of an event. */
  add({ line, at }) {
    const said = `${clock(at)}  ${line}`;
    this.lines.push(said);
    this.waiting.push(said);
    this.frame ??= requestAnimationFrame(() => this.paint());
  }

  /** Show what the record of a dead letter kept of a log that is gone. */
  show(record) {
    this.ended = hasEnded(record);
    byId("log-choice").hidden = this.ended;
    if (!this.lines.length) for (const each of record.log ?? []) if (each.log) this.add({ line: each.log, at: each.at });
    this.tell();
  }

  clear() {
    this.lines = [];
    this.waiting = [];
    this.place.replaceChildren();
    this.tell();
  }

  paint() {
    this.frame = null;
    if (!this.waiting.length) return;
    if (this.place.classList.contains("soft")) this.place.replaceChildren();
    this.place.classList.remove("soft");
    const words = document.createDocumentFragment();
    for (const line of this.waiting.splice(0).slice(-SHOWN)) words.append(`${line}\n`);
    this.place.append(words);
    while (this.place.childNodes.length > SHOWN) this.place.firstChild.remove();
    this.tell();
    this.stayAtEnd();
  }

  tell() {
    byId("log-count").textContent = this.lines.length ? text("log_lines", { n: number(this.lines.length) }) : "";
    byId("log-save").disabled = !this.lines.length;
    if (this.lines.length) return;
    this.place.classList.add("soft");
    this.place.textContent = text(this.ended ? "log_empty" : "log_waits");
  }

  stayAtEnd() {
    if (byId("log-follow").checked) this.place.scrollTop = this.place.scrollHeight;
  }
}

/** The reader's time of day, to the millisecond. */
function clock(at) {
  const date = new Date(at * 1000);
  const parts = [date.getHours(), date.getMinutes(), date.getSeconds()].map(each => String(each).padStart(2, "0"));
  return `${parts.join(":")}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}
