// Parts of a job's page that its record fills: the timeline, what is known of it, why it failed, its result.

import { byId, make } from "../dom.js";
import { explained } from "../explained.js";
import { hasEnded, ran, source, state, waited } from "../jobs/record.js";
import { copy, save } from "../save.js";
import { number, text } from "../text.js";
import { ago, duration, now, when } from "../time.js";

/** Characters of a result that are shown. */
const SHOWN = 50_000;

let inputs = null;

/** What happened to it, in order. */
export function timeline(record) {
  const events = [step("", text("was_submitted"), record.created, source(record))];
  for (const lost of record.lost ?? []) {
    const where = text("by_worker", { worker: lost.worker, duration: duration(lost.ended - lost.started) });
    events.push(step("failed", text("attempt", { n: lost.attempt }), lost.started, where, lost.reason));
  }
  const lost = new Set((record.lost ?? []).map(each => each.attempt));
  if (record.started !== null && !lost.has(record.attempts)) {
    const said = { worker: record.worker ?? "?", duration: duration(ran(record)) };
    const where = text(hasEnded(record) ? "by_worker" : "runs_on", said);
    events.push(step(hasEnded(record) ? "" : "running", text("attempt", { n: record.attempts }), record.started, where));
  }
  if (record.status === "queued") events.push(step("queued", text("waits"), null, duration(now() - record.created)));
  if (hasEnded(record)) {
    const whole = text("ended_after", { duration: duration(record.finished - record.created) });
    events.push(step(record.status, state(record).textContent, record.finished, whole));
  }
  fill(byId("timeline"), events);
}

function step(kind, name, at, more, reason) {
  const head = make("p", {}, make("strong", {}, name), at === null ? null : make("time", {
    class: "soft numbers", datetime: new Date(at * 1000).toISOString() }, when(at)));
  return make("li", { class: kind }, head, more ? make("p", { class: "soft" }, more) : null,
    reason ? make("pre", { tabindex: 0, "aria-label": name }, reason) : null);
}

/** Put `nodes` into `place`, if they say anything new: what is read, selected or focused there is not disturbed. */
function fill(place, nodes) {
  const before = [...place.children];
  if (before.length === nodes.length && nodes.every((each, at) => each.isEqualNode(before[at]))) return;
  for (const [at, each] of nodes.entries()) {
    if (!before[at]) place.append(each);
    else if (!each.isEqualNode(before[at])) before[at].replaceWith(each);
  }
  for (const each of before.slice(nodes.length)) each.remove();
}

/** What is known of it. */
export function about(record, asked) {
  inputs = asked ?? inputs;
  const rows = [
    ["task", record.task], ["file", record.name], ["source", source(record)], ["submitted", ago(record.created)],
    ["waited", duration(waited(record))], ["ran", record.started === null ? "" : duration(ran(record))],
    ["attempts", String(record.attempts)], ["worker", record.worker], ["priority", inputs?.kept ? String(inputs.priority) : ""],
    ["request", record.request_id], ["trace", record.traceparent], ["id", record.id],
  ].filter(([, value]) => value);
  fill(byId("about"), rows.flatMap(([name, value]) => [make("dt", {}, text(name)), make("dd", {}, value)]));
}

/** Why it failed, with the traceback of a task that raised an exception. */
export function failure(record) {
  const failed = record.status === "failed";
  byId("failure").hidden = !failed;
  if (!failed) return;
  const { traceback, ...details } = record.details ?? {};
  const more = Object.keys(details).length ? JSON.stringify(details, null, 2) : "";
  fill(byId("failure").querySelector(".stack"), [
    make("p", { class: "note bad words" }, record.error ?? ""),
    make("p", { class: "hint" }, text("code"), " ", explained(record.code)),
    ...[["traceback", traceback], ["details", more]].filter(([, said]) => said).map(([name, said]) =>
      make("details", {}, make("summary", {}, text(name)), make("pre", { class: "log", tabindex: 0, "aria-label": text(name) }, said))),
  ]);
}

/** Its parameters. */
export function params(asked) {
  const given = Object.keys(asked.params ?? {}).length;
  byId("params").textContent = given ? JSON.stringify(asked.params, null, 2) : text(asked.kept ? "no_params" : "not_kept");
}

/** Its result, as JSON. */
export function result(record) {
  const there = record.status === "succeeded";
  byId("result-card").hidden = !there;
  if (!there) return;
  const said = JSON.stringify(record.result, null, 2);
  if (byId("result").textContent === said.slice(0, SHOWN)) return;
  byId("result").textContent = said.slice(0, SHOWN);
  byId("result-cut").hidden = said.length <= SHOWN;
  byId("result-cut").textContent = text("cut", { n: number(SHOWN) });
  byId("result-copy").onclick = () => copy(said);
  byId("result-save").onclick = () => save(`${record.id}.json`, said);
}
