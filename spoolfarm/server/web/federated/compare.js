// Runs side by side: the curves of all that are chosen, and the settings in which they differ.

import { post } from "../ask.js";
import { byId, make } from "../dom.js";
import { complain } from "../messages.js";
import { fit, onTheme, style } from "../plot.js";
import { save } from "../save.js";
import { tabs } from "../tabs.js";
import { number, text } from "../text.js";
import { difference, figure, isOver, link, pageOf, place } from "./figures.js";

/** Rows of the table at most; the plot has all. */
const ROWS = 100;
const HEIGHT = 300;
/** Pixels within which the pointer is at a curve. */
const NEAR = 24;
/** How lines of the same colour are told apart. */
const DASHES = [[], [8, 4], [2, 3]];
/** Where the figures of each kind stand. */
const LISTS = { accuracy: "accuracies", loss: "losses" };

export class Compare {
  /** `atOf` tells which round's figures the table shows. */
  constructor(chosen, atOf) {
    this.chosen = chosen;
    this.atOf = atOf;
    this.runs = new Map();
    this.settings = [];
    this.kind = "accuracy";
    tabs("curves", name => {
      this.kind = name;
      this.draw();
    });
    byId("log-axis").addEventListener("change", () => this.draw());
    byId("save-curves").addEventListener("click", () => save("runs.csv", this.csv()));
    byId("choose-none").addEventListener("click", () => chosen.all([]));
    onTheme(() => this.draw());
    fit(byId("curves"), () => this.plot);
  }

  /** Ask for the curves of all that are chosen, and show them. */
  async load() {
    const mine = this.loading = Symbol("load");
    try {
      const { runs, settings, missing } = this.chosen.ids.length ? await post("v1/run-curves", { runs: this.chosen.ids })
        : { runs: [], settings: [], missing: [] };
      if (this.loading !== mine) return;
      for (const id of missing) this.chosen.set(id, false);
      for (const run of runs) if (run.job) this.chosen.rename(run.job, run.id);
      this.runs = new Map(runs.map(run => [run.id, run]));
      this.settings = settings;
      this.draw();
    } catch (error) {
      complain(error);
    }
  }

  /** Ask again for the curves that still grow, and show what is new, or the figures of another round. */
  async refresh() {
    const open = [...this.runs.values()].filter(run => !isOver(run));
    const { runs } = open.length ? await post("v1/run-curves", { runs: open.map(({ id }) => id) }) : { runs: [] };
    if (open.some((run, at) => runs[at]?.id !== run.id)) { // one has got a folder, or is gone
      await this.load();
      return;
    }
    const grown = runs.filter((run, at) => run.rounds_done !== open[at].rounds_done || run.state !== open[at].state);
    for (const run of runs) this.runs.set(run.id, { ...run, settings: this.runs.get(run.id).settings });
    if (grown.length || this.drawnAt !== this.atOf()) this.draw();
  }

  draw() {
    const runs = [...this.runs.values()].filter(run => this.chosen.has(run.id));
    byId("compare").hidden = byId("differences").hidden = !runs.length;
    byId("compare-hint").hidden = runs.length > 0;
    if (!runs.length) return;
    byId("compare-count").textContent = text("compared", { n: number(runs.length) });
    this.drawPlot(runs);
    this.drawTable(runs);
  }

  drawPlot(runs) {
    const list = LISTS[this.kind];
    const log = byId("log-axis").checked;
    const drawn = runs.filter(run => run.rounds.length);
    const rounds = [...new Set(drawn.flatMap(run => run.rounds))].filter(Number.isFinite).sort((one, other) => one - other);
    const at = new Map(rounds.map((round, index) => [round, index]));
    const data = [rounds, ...drawn.map(run => {
      const values = new Array(rounds.length).fill(null);
      run.rounds.forEach((round, index) => { values[at.get(round)] = log && !(run[list][index] > 0) ? null : run[list][index]; });
      return values;
    })];
    byId("no-curves").hidden = drawn.length > 0;
    byId("plot").hidden = !drawn.length;
    byId("near").textContent = "";
    this.plot?.destroy();
    this.plot = null;
    if (!drawn.length) return;
    byId("plot").setAttribute("aria-label", text("plot_says", { kind: text(this.kind), n: number(drawn.length), names: drawn.slice(0, 5).map(run => run.id).join(", ") }));
    this.plot = new window.uPlot(this.options(drawn, log), data, byId("plot"));
    this.plot.over.addEventListener("click", () => this.near && location.assign(pageOf(this.near.id)));
  }

  options(drawn, log) {
    const { paint, axis } = style(byId("plot"));
    const many = drawn.length > 40;
    const short = drawn.every(run => run.rounds.length < 30);
    return {
      width: byId("curves").clientWidth,
      height: HEIGHT,
      legend: { show: false },
      focus: { alpha: 0.2 },
      cursor: { y: false, focus: { prox: NEAR }, points: { show: !many, size: 7 }, drag: { x: true, y: false } },
      scales: { x: { time: false }, y: { distr: log ? 3 : 1 } },
      axes: [
        { ...axis, size: 30, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000], values: (_, values) => values.map(value => number(value)) },
        { ...axis, size: 60, values: (_, values) => values.map(value => value === null ? "" : figure(value)) },
      ],
      series: [{ label: text("round") }, ...drawn.map(run => {
        const pinned = run.id === this.chosen.baseline;
        const turn = Math.floor((this.chosen.numbers.get(run.id) ?? 0) / 6) % DASHES.length;
        return { label: run.id, stroke: pinned ? paint("--ink") : paint(this.chosen.colour(run.id)), width: pinned ? 3.5 : many ? 1 : 2, dash: DASHES[turn],
          spanGaps: true, points: { show: short && !many, size: 5 } };
      })],
      hooks: {
        setSeries: [(_, index) => {
          this.near = index === null ? null : drawn[index - 1];
          byId("plot").classList.toggle("near", Boolean(this.near));
          this.sayNear();
        }],
        setCursor: [() => this.sayNear()],
      },
    };
  }

  /** Say which curve the pointer is at, and its figure there. */
  sayNear() {
    const index = this.plot?.cursor.idx;
    if (!this.near || index === null || index === undefined) {
      byId("near").textContent = "";
      return;
    }
    const round = this.plot.data[0][index];
    const value = this.near[LISTS[this.kind]][this.near.rounds.indexOf(round)];
    byId("near").textContent = text("near_says", { name: this.near.id, round: number(round), value: figure(value) });
  }

  drawTable(runs) {
    const at = this.drawnAt = this.atOf();
    const base = runs.find(run => run.id === this.chosen.baseline);
    const value = (run, list) => run?.[list][place(run, at)];
    const head = [text("one_run"), text("accuracy"), text("loss"), ...base ? [text("to_baseline")] : [], ...this.settings, text("baseline"), ""];
    byId("differences-head").replaceChildren(make("tr", {}, ...head.map((each, index) => make("th", { scope: "col",
      class: index === 1 || index === 2 || (base && index === 3) ? "figure" : null }, each || make("span", { class: "unseen" }, text("leave_out"))))));
    byId("differences-rows").replaceChildren(...runs.slice(0, ROWS).map(run => {
      const swatch = make("span", { class: "swatch", "aria-hidden": "true" });
      swatch.style.background = `var(${run === base ? "--ink" : this.chosen.colour(run.id)})`;
      return make("tr", {},
        make("th", { scope: "row" }, swatch, link(run)),
        make("td", { class: "figure" }, figure(value(run, "accuracies"))), make("td", { class: "figure" }, figure(value(run, "losses"))),
        ...base ? [make("td", { class: "figure" }, run === base ? "" : difference(value(run, LISTS[this.kind]), value(base, LISTS[this.kind])))] : [],
        ...this.settings.map(name => make("td", {}, make("code", {}, run.settings[name] === null || run.settings[name] === undefined ? "–" : String(run.settings[name])))),
        make("td", {}, make("input", { type: "checkbox", checked: run === base, "aria-label": text("pin", { name: run.id }),
          onchange: event => this.chosen.pin(event.target.checked ? run.id : "") })),
        make("td", {}, make("button", { type: "button", class: "quiet", "aria-label": text("leave_out_run", { name: run.id }), onclick: () => this.chosen.set(run.id, false) }, "×")));
    }));
    byId("same-settings").hidden = this.settings.length > 0 || runs.length < 2;
    byId("more-rows").hidden = runs.length <= ROWS;
    byId("more-rows").textContent = text("more_rows", { n: number(runs.length - ROWS) });
  }

  /** Round by round as a table for other programs. */
  csv() {
    const lines = [...this.runs.values()].flatMap(run => run.rounds.map((round, at) =>
      [JSON.stringify(run.id), round, run.accuracies[at] ?? "", run.losses[at] ?? ""].join(",")));
    return ["run,round,accuracy,loss", ...lines, ""].join("\r\n");
  }
}
