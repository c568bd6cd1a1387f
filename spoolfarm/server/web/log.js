// A log: each line once, as it is written; the view stays at the end while it is followed, or shows what a search finds.

import { byId, debounced, make } from "./dom.js";
import { save } from "./save.js";
import { number, text } from "./text.js";

/** Lines that are shown at most, the last ones; all of them are searched, and can be downloaded. */
const SHOWN = 5000;
/** Milliseconds without a keystroke after which a search begins. */
const QUIET = 200;

export class Log {
  /** The log of what is called `name`. */
  constructor(name) {
    this.place = byId("log");
    this.lines = [];
    this.waiting = [];
    byId("log-save").addEventListener("click", () => save(`${name}.log`, this.lines.map(line => `${line}\n`).join("")));
    byId("log-follow").addEventListener("change", () => this.stayAtEnd());
    byId("log-search").addEventListener("input", debounced(() => this.search(), QUIET));
    this.place.addEventListener("wheel", event => {
      if (event.deltaY < 0) byId("log-follow").checked = false;
    }, { passive: true });
    this.tell();
  }

  /** What is searched for, in small letters. */
  get sought() {
    return byId("log-search").value.toLowerCase();
  }

  /** Add a line, and when it was said, where that is known. */
  add({ line, at }) {
    const said = at === undefined ? line : `${clock(at)}  ${line}`;
    this.lines.push(said);
    this.waiting.push(said);
    this.frame ??= requestAnimationFrame(() => this.paint());
  }

  /** There will be no more lines, or there will. */
  end(ended) {
    this.ended = ended;
    byId("log-choice").hidden = ended;
    this.tell();
  }

  clear() {
    this.lines = [];
    this.waiting = [];
    this.place.replaceChildren();
    this.tell();
  }

  /** Show only the lines that have in them what is searched for. */
  search() {
    this.place.replaceChildren();
    this.waiting = [...this.lines];
    this.paint();
    this.tell();
  }

  paint() {
    this.frame = null;
    if (!this.waiting.length) return;
    if (this.place.classList.contains("soft")) this.place.replaceChildren();
    this.place.classList.remove("soft");
    const sought = this.sought;
    const found = this.waiting.splice(0).filter(line => line.toLowerCase().includes(sought)).slice(-SHOWN);
    const words = document.createDocumentFragment();
    for (const line of found) words.append(sought ? marked(line, sought) : `${line}\n`);
    this.place.append(words);
    while (this.place.childNodes.length > SHOWN) this.place.firstChild.remove();
    this.tell();
    this.stayAtEnd();
  }

  tell() {
    const n = number(this.lines.length);
    const sought = this.sought;
    byId("log-count").textContent = sought
      ? text("log_found", { n, found: number(this.lines.filter(line => line.toLowerCase().includes(sought)).length) })
      : this.lines.length ? text("log_lines", { n }) : "";
    byId("log-save").disabled = !this.lines.length;
    if (this.lines.length) return;
    this.place.classList.add("soft");
    this.place.textContent = text(this.ended ? "log_empty" : "log_waits");
  }

  stayAtEnd() {
    if (byId("log-follow").checked) this.place.scrollTop = this.place.scrollHeight;
  }
}

/** A line in which every place that has `sought` in it is marked. */
function marked(line, sought) {
  const shown = make("span");
  const small = line.toLowerCase();
  let from = 0;
  for (let at = small.indexOf(sought); at >= 0; at = small.indexOf(sought, from)) {
    shown.append(line.slice(from, at), make("mark", {}, line.slice(at, at + sought.length)));
    from = at + sought.length;
  }
  shown.append(`${line.slice(from)}\n`);
  return shown;
}

/** The reader's time of day, to the millisecond. */
function clock(at) {
  const date = new Date(at * 1000);
  const parts = [date.getHours(), date.getMinutes(), date.getSeconds()].map(each => String(each).padStart(2, "0"));
  return `${parts.join(":")}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}
