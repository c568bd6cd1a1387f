// The table of all runs: a page of those that fit, in the order that was chosen.

import { ask } from "../ask.js";
import { byId, debounced, make } from "../dom.js";
import { keyed } from "../keyed.js";
import { number, text } from "../text.js";
import { ago, duration } from "../time.js";
import { figure, isOver, link, rounds, showState, starter } from "./figures.js";

/** Runs of one page, and of one answer when all are chosen. */
const PAGE = 15;
const MOST = 1000;
/** Milliseconds without a keystroke after which a text counts. */
const QUIET = 250;
const form = byId("filters");

export class Table {
  /** `chosen` has what is compared: `has(id)`, `set(id, whether)`, `colour(id)`; `changed` is called to look again. */
  constructor(chosen, changed) {
    this.chosen = chosen;
    this.changed = changed;
    this.offset = 0;
    this.total = 0;
    this.order = { sort: "started", descending: true };
    this.show = keyed(byId("runs"), run => run.id, run => this.row(run));
    const again = () => {
      this.offset = 0;
      changed();
    };
    form.addEventListener("input", debounced(again, QUIET));
    form.addEventListener("submit", event => event.preventDefault());
    byId("at").addEventListener("change", () => {
      byId("round-field").hidden = byId("at").value !== "round";
      if (byId("at").value === "round") byId("round").focus();
    });
    byId("earlier").addEventListener("click", () => this.turn(-PAGE));
    byId("later").addEventListener("click", () => this.turn(PAGE));
    for (const button of document.querySelectorAll("[data-sort]")) button.addEventListener("click", () => this.sort(button.dataset.sort));
    byId("choose-page").addEventListener("change", event => {
      for (const { id } of this.runs) this.chosen.set(id, event.target.checked);
    });
  }

  /** Which round's figures are shown: best, last, or a number. */
  get at() {
    const at = byId("at").value;
    return at === "round" ? String(Math.max(1, Math.floor(Number(byId("round").value)) || 1)) : at;
  }

  turn(by) {
    this.offset = Math.max(0, this.offset + by);
    this.changed();
  }

  sort(by) {
    const same = this.order.sort === by;
    this.order = { sort: by, descending: same ? !this.order.descending : !["id", "state", "loss"].includes(by) };
    this.offset = 0;
    for (const button of document.querySelectorAll("[data-sort]")) {
      const mine = button.dataset.sort === by;
      button.closest("th").ariaSort = mine ? this.order.descending ? "descending" : "ascending" : "none";
    }
    this.changed();
  }

  query(more) {
    const asked = { name: byId("name").value.trim(), state: form.elements.state.value, at: this.at, ...this.order, ...more };
    return new URLSearchParams(Object.entries(asked).filter(([, value]) => value !== ""));
  }

  /** Look at the page; whether any run of the farm is under way. */
  async look() {
    const { runs, total, counts } = await ask(`v1/runs?${this.query({ limit: PAGE, offset: this.offset })}`);
    if (!runs.length && this.offset) {
      this.offset = 0;
      return this.look();
    }
    this.runs = runs;
    this.total = total;
    this.show(runs);
    const all = Object.values(counts).reduce((sum, each) => sum + each, 0);
    for (const [state, n] of Object.entries({ ...counts, all })) byId(`count-${state}`).textContent = number(n);
    const filtered = byId("name").value.trim() || form.elements.state.value;
    byId("none").hidden = total > 0;
    byId("none").textContent = text(filtered ? "no_run_fits" : "no_runs");
    byId("runs-table").hidden = !total;
    byId("shown").textContent = total ? text("shown", { from: number(this.offset + 1), to: number(this.offset + runs.length), n: number(total) }) : "";
    byId("earlier").disabled = !this.offset;
    byId("later").disabled = this.offset + runs.length >= total;
    byId("turn").hidden = total <= PAGE;
    this.tick();
    return counts.running + counts.queued > 0;
  }

  /** The ids of all that fit. */
  async all() {
    const found = [];
    for (let offset = 0; ; offset += MOST) {
      const { runs, total } = await ask(`v1/runs?${this.query({ limit: MOST, offset })}`);
      found.push(...runs.map(({ id }) => id));
      if (!runs.length || found.length >= total) return found;
    }
  }

  /** Show which are chosen. */
  tick() {
    for (const row of byId("runs").rows) {
      const { id } = row.dataset;
      const box = row.querySelector("input");
      box.checked = this.chosen.has(id);
      box.style.accentColor = box.checked ? `var(${this.chosen.colour(id)})` : "";
      row.classList.toggle("chosen", box.checked);
    }
    const ticked = (this.runs ?? []).filter(({ id }) => this.chosen.has(id)).length;
    byId("choose-page").checked = ticked > 0 && ticked === this.runs.length;
    byId("choose-page").indeterminate = ticked > 0 && ticked < this.runs.length;
  }

  row(run) {
    const cells = Object.fromEntries(["rounds", "accuracy", "loss"].map(name => [name, make("td", { class: "figure", "data-label": text(name) })]));
    const state = make("span");
    const bar = make("progress", { max: 1, "aria-label": text("progress_of", { name: run.id }) });
    const facts = make("small", { class: "soft" });
    const time = make("td", { class: "soft time" });
    const box = make("input", { type: "checkbox", "aria-label": text("compare_run", { name: run.id }),
      onchange: event => this.chosen.set(run.id, event.target.checked) });
    const node = make("tr", {}, make("td", { class: "pick" }, box), make("td", { class: "what" }, link(run), facts),
      make("td", {}, state, bar), ...Object.values(cells), time);
    node.dataset.id = run.id;
    return { node, update: now => {
      showState(state, now);
      bar.hidden = isOver(now) || now.progress === null;
      if (now.progress !== null) bar.value = now.progress;
      facts.textContent = [now.model, starter(now)].filter(Boolean).join(" · ");
      cells.rounds.textContent = rounds(now);
      cells.accuracy.textContent = figure(now.at?.accuracy);
      cells.loss.textContent = figure(now.at?.loss);
      time.replaceChildren(ago(now.started), make("small", {}, duration(now.seconds)));
    } };
  }
}
