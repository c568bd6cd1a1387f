// The page of one run: its curve and its log while it runs, its settings, its model.

import { address, ask, send } from "../ask.js";
import { byId, make } from "../dom.js";
import { explained } from "../explained.js";
import { Curve } from "../federated/curve.js";
import { figure, isOver, pageOf, rounds, showState, starter } from "../federated/figures.js";
import * as model from "../federated/model.js";
import { Predict } from "../federated/predict.js";
import { looking } from "../looking.js";
import { complain, say } from "../messages.js";
import { sure } from "../sure.js";
import { number, text } from "../text.js";
import { duration, when } from "../time.js";
import { Output } from "./output.js";

/** Milliseconds between two looks: while it runs, and after. */
const BUSY = 2000;
const CALM = 15_000;

const asked = read(location.pathname.replace(/\/$/, "").split("/").pop());
const curve = new Curve(byId("run-curve"));
const output = new Output(asked, () => look());
let run = null;

/** A part of an address as text; what cannot be read stays as it is. */
function read(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

const look = looking(async () => {
  show(await ask(`v1/runs/${encodeURIComponent(run?.id ?? asked)}`).catch(error => {
    if (error.status === 404 && !run) error.message = text("unknown_run");
    if (error.status !== 404 || !run?.job) throw error;
    return ask(`v1/runs/${run.job}`); // it has been renamed, or has a folder by now
  }));
  return isOver(run) ? CALM : BUSY;
}, [401, 404]);

function show(found) {
  run = found;
  byId("one").hidden = false;
  byId("run-title").textContent = run.id;
  document.title = `${run.id} · spoolfarm`;
  showState(byId("run-state"), run);
  const over = isOver(run);
  byId("stop-run").hidden = over || !run.job;
  byId("remove-run").hidden = !over;
  for (const [id, where, hidden] of [
    ["run-like", `federated?like=${encodeURIComponent(run.id)}`, !run.settings],
    ["go-on", `federated?resume=${encodeURIComponent(run.id)}`, !over || !run.has_model || !("resume" in (run.settings ?? {}))],
    ["compare-this", `federated#runs=${encodeURIComponent(run.id)}`, !run.rounds_done],
  ]) {
    byId(id).href = address(where);
    byId(id).hidden = hidden;
  }
  byId("run-error").hidden = !run.error || run.state === "stopped";
  byId("run-error").replaceChildren(run.error ?? "", " ", explained(run.code) ?? "");
  byId("run-progress").hidden = over || run.progress === null;
  if (run.progress !== null) byId("run-progress").value = run.progress;
  output.follow(run);
  showCurve();
  showFacts();
  byId("model-card").hidden = !run.has_model;
  byId("rename-model").hidden = !over;
}

/** The curve as the record tells it, or as far as the log does. */
function showCurve() {
  const curves = run.rounds.length ? run : output.curves;
  curve.show(curves);
  byId("no-round").hidden = curves.rounds.length > 0;
  const last = curves.rounds.length - 1;
  byId("run-told").textContent = last < 0 ? "" : [
    text("round_of", { round: run.rounds.length ? rounds(run) : number(curves.rounds[last]) }),
    `${text("accuracy")} ${figure(curves.accuracies[last])}`, `${text("loss")} ${figure(curves.losses[last])}`].join(" · ");
}

function showFacts() {
  const best = run.at && text("best_says", { round: number(run.at.round), accuracy: figure(run.at.accuracy) });
  facts("about", [
    [text("started_by"), [starter(run), run.pid && text("process", { pid: run.pid })].filter(Boolean).join(" · ")],
    [text("began"), when(run.started)],
    [text("took"), run.seconds === null ? null : duration(run.seconds)],
    [text("best"), best],
    [text("test"), run.test_accuracy === null ? null : figure(run.test_accuracy)],
    [text("classes"), run.classes.length ? run.classes.join(", ") : null],
    [text("job"), run.job && make("a", { href: address(`jobs/${run.job}`) }, run.job)],
  ]);
  facts("settings", Object.entries(run.settings ?? {}).map(([name, value]) => [name, value === "" ? null : typeof value === "object" ? JSON.stringify(value) : String(value)]));
  if (!run.settings) byId("settings").replaceChildren(make("dd", { class: "soft" }, text("no_settings")));
}

function facts(id, rows) {
  const known = rows.filter(([, value]) => value !== null && value !== undefined && value !== "");
  const said = JSON.stringify(known.map(([name, value]) => [name, value.textContent ?? value]));
  if (byId(id).dataset.said === said) return;
  byId(id).dataset.said = said;
  byId(id).replaceChildren(...known.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]));
}

byId("stop-run").addEventListener("click", async () => {
  if (!await sure(text("stop_sure"), text("stop"))) return;
  try {
    await send(`v1/jobs/${run.job}`, { method: "DELETE" });
    say(text("stopping"));
    await look();
  } catch (error) {
    complain(error);
  }
});
byId("remove-run").addEventListener("click", async () => {
  if (!await sure(text("remove_run_sure", { name: run.id }), text("remove"))) return;
  try {
    await send(`v1/runs/${encodeURIComponent(run.id)}`, { method: "DELETE" });
    location.assign(address("federated"));
  } catch (error) {
    complain(error);
  }
});
new Predict(() => run.id);
model.begin(() => run.id, id => location.replace(pageOf(id)));
look();
