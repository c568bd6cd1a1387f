// The curves of the last hours, drawn by uPlot from what the farm has counted.

import { ask } from "../ask.js";
import { byId } from "../dom.js";
import { colourOf, fit, onTheme, style } from "../plot.js";
import { tabs } from "../tabs.js";
import { number, text } from "../text.js";

/** Milliseconds between two looks at the history, seconds of it that are kept, and how many steps a curve has at most. */
const LOOK = 10000;
const KEPT = 10800;
const STEPS = 180;

const clock = new Intl.DateTimeFormat(document.documentElement.lang, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const exact = new Intl.DateTimeFormat(document.documentElement.lang, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
let points = [];
/** What is drawn: what was `done`, how long jobs `run` and `wait`, or the `queue`. */
let kind = "done";
let plot = null;
let drawn = "";

/** Draw them, and go on while the page is seen. */
export async function drawCurves() {
  await load();
  setInterval(() => document.hidden || load(), LOOK);
}

async function load() {
  const since = points.at(-1)?.at ?? 0;
  const more = (await ask(`v1/farm/history?since=${since}`).catch(() => ({ points: [] }))).points;
  if (more.length && more[0].from < since) points = points.filter(each => each.at <= more[0].from);
  points = [...points, ...more].filter(each => each.at > Date.now() / 1000 - KEPT);
  draw();
}

/** The steps of the time that is shown, each with what each point of it has done: [point, share of the point]. */
function steps() {
  const length = Number(byId("range").value);
  const size = Math.max(10, length / STEPS);
  const end = Math.ceil(Date.now() / 1000 / size) * size;
  const found = Array.from({ length: Math.round(length / size) }, (_, index) => ({ at: end - length + (index + 1) * size, parts: [] }));
  const begin = end - length;
  for (const point of points) {
    const span = Math.max(point.at - point.from, 1e-3);
    const last = Math.min(found.length - 1, Math.floor((point.at - begin) / size));
    for (let index = Math.max(0, Math.floor((point.from - begin) / size)); index <= last; index++) {
      const from = begin + index * size;
      const share = (Math.min(point.at, from + size) - Math.max(point.from, from)) / span;
      if (share > 0) found[index].parts.push([point, share]);
    }
  }
  return { size, found };
}

const sum = values => values.reduce((all, each) => all + each, 0);
const ended = of => (of.succeeded ?? 0) + (of.failed ?? 0) + (of.cancelled ?? 0);

/** What is drawn: [label, whether it is dashed, colour, values]. */
function series({ size, found }, tasks) {
  const each = value => found.map(value);
  const average = (task, index) => each(step => {
    const parts = step.parts.filter(([point]) => point.tasks[task]?.[kind]).map(([point, share]) => [point.tasks[task], share * ended(point.tasks[task]) || share]);
    const whole = sum(parts.map(([, weight]) => weight));
    return whole ? sum(parts.map(([of, weight]) => of[kind][index] * weight)) / whole : null;
  });
  if (kind === "done") {
    const perMinute = value => each(step => step.parts.length ? 60 / size * sum(step.parts.map(([point, share]) => share * value(point))) : null);
    const lines = tasks.map((task, index) => [task, false, colourOf(index), perMinute(point => ended(point.tasks[task] ?? {}))]);
    const failed = perMinute(point => sum(Object.values(point.tasks).map(of => of.failed ?? 0)));
    return failed.some(Boolean) ? [...lines, [text("failed"), true, "--bad", failed]] : lines;
  }
  if (kind === "queue") {
    const last = value => each(step => step.parts.length ? value(step.parts.at(-1)[0]) : null);
    const waiting = tasks.map((task, index) => [task, false, colourOf(index), last(point => point.queued[task] ?? 0)]);
    return [...waiting, [text("running"), true, "--busy", last(point => point.running)]];
  }
  return tasks.flatMap((task, index) => [[task, false, colourOf(index), average(task, 0)], [`${task} 95 %`, true, colourOf(index), average(task, 1)]]);
}

function draw() {
  const seen = steps();
  const inRange = new Set(seen.found.flatMap(step => step.parts.map(([point]) => point)));
  const tasks = [...new Set([...inRange].flatMap(point => [...Object.keys(point.tasks), ...Object.keys(point.queued)]))].sort();
  const lines = tasks.length ? series(seen, tasks) : [];
  byId("curve-about").textContent = text({ done: "about_done", run: "about_run", wait: "about_wait", queue: "about_queue" }[kind]);
  const empty = !lines.some(([, , , values]) => values.some(value => value !== null));
  byId("no-curve").hidden = !empty;
  byId("plot").hidden = empty;
  if (empty) return;
  byId("plot").setAttribute("aria-label", lines.map(([label, , , values]) => `${label}: ${number(values.findLast(value => value !== null) ?? 0)}`).join(", "));
  const data = [seen.found.map(step => step.at), ...lines.map(([, , , values]) => values)];
  const wanted = JSON.stringify([kind, lines.map(([label]) => label), document.documentElement.dataset.theme, matchMedia("(prefers-color-scheme: dark)").matches]);
  if (plot && wanted === drawn) plot.setData(data);
  else begin(lines, data);
  drawn = wanted;
}

function begin(lines, data) {
  plot?.destroy();
  const { paint, axis } = style(byId("plot"));
  plot = new window.uPlot({
    width: byId("curve").clientWidth,
    height: 240,
    cursor: { y: false, points: { size: 7 } },
    scales: { y: { range: (_, low, high) => [0, Math.max(high * 1.1, kind === "run" || kind === "wait" ? 0.01 : 1)] } },
    axes: [
      { ...axis, values: (_, times) => times.map(time => clock.format(time * 1000)) },
      { ...axis, size: 54, values: (_, values) => values.map(number) },
    ],
    series: [
      { label: text("time"), value: (_, time) => time === null ? "–" : exact.format(time * 1000) },
      ...lines.map(([label, dashed, colour]) => ({
        label, stroke: paint(colour), width: dashed ? 1.5 : 2, dash: dashed ? [6, 4] : undefined, points: { show: false }, spanGaps: true,
        value: (_, value) => value === null || value === undefined ? "–" : number(value),
      })),
    ],
  }, data, byId("plot"));
}

tabs("curve", name => {
  kind = name;
  draw();
});
byId("range").addEventListener("change", draw);
onTheme(draw);
fit(byId("curve"), () => plot);
