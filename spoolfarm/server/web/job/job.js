// The page of one job: its record, followed as long as it changes and the page is seen.

import { address, ask, post, send } from "../ask.js";
import { byId, make } from "../dom.js";
import { hasEnded, state, title } from "../jobs/record.js";
import { Log } from "../log.js";
import { complain, say } from "../messages.js";
import { Stream } from "../stream.js";
import { sure } from "../sure.js";
import { text } from "../text.js";
import * as again from "./again.js";
import { Pictures } from "./pictures.js";
import { about, failure, params, result, timeline } from "./parts.js";

/** Milliseconds between two looks at a record that a running job changes, at least. */
const PACE = 1000;

const id = location.pathname.replace(/\/$/, "").split("/").pop(); // as it stands in addresses
const log = new Log(id);
const pictures = new Pictures(id);

let record = null;
let stream = null;
/** When the record was asked for last, in milliseconds. */
let looked = 0;

function show(found) {
  record = found;
  document.title = `${title(record)} · ${text("job")} · spoolfarm`;
  byId("title").textContent = title(record);
  if (byId("state").dataset.status !== record.status) {
    byId("state").dataset.status = record.status;
    byId("state").replaceChildren(state(record));
    byId("acts").replaceChildren(...acts());
  }
  progress(record.status === "running" ? record.progress : null);
  timeline(record);
  about(record);
  failure(record);
  result(record);
  pictures.show(record);
  if (!log.lines.length) for (const each of record.log ?? []) if (each.log) log.add({ line: each.log, at: each.at });
  log.end(hasEnded(record));
  byId("job").hidden = false;
}

function progress(done) {
  byId("progress").hidden = done === null;
  if (done !== null) byId("progress").value = done;
}

function acts() {
  const found = [];
  const button = (word, kind, act) => found.push(make("button", { type: "button", class: kind, onclick: async event => {
    event.currentTarget.disabled = true;
    await act().catch(complain);
    if (event.target.isConnected) event.target.disabled = false;
  } }, word));
  if (!hasEnded(record)) button(text("cancel_job"), "danger", cancel);
  if (record.status === "failed") button(text("retry"), "main", retry);
  if (record.status === "succeeded") {
    found.push(make("a", { class: "button", href: address(`?job=${id}`) }, text("open_try")));
  }
  if (hasEnded(record)) button(text("delete"), "danger", remove);
  return found;
}

async function cancel() {
  const { status } = await ask(`v1/jobs/${id}`, { method: "DELETE" });
  say(text(status === "cancelled" ? "is_cancelled" : "is_cancelling"));
}

async function retry() {
  await send(`v1/jobs/${id}/retry`, { method: "POST" });
  say(text("queued_again"));
  stream.close();
  log.clear();
  show(await ask(`v1/jobs/${id}`));
  stream.restart();
}

async function remove() {
  if (!await sure(text("delete_sure"), text("delete"))) return;
  await post("v1/bulk", { action: "delete", filter: { id } });
  location.assign(address("jobs"));
}

async function heard({ event, data }) {
  if (event === "log") log.add(data);
  if (event === "progress") progress(data.progress);
  if (event === "end") show(data);
  if (event === "status" || (event === "log" && Date.now() - looked > PACE)) {
    looked = Date.now();
    show(await ask(`v1/jobs/${id}`));
  }
}

setInterval(() => record && !hasEnded(record) && !document.hidden && (timeline(record), about(record)), 1000);

try {
  show(await ask(`v1/jobs/${id}`));
  stream = new Stream(`v1/jobs/${id}/events`, heard, error => error.status === 404 || complain(error));
  stream.open();
  const inputs = await ask(`v1/jobs/${id}/inputs`);
  params(inputs);
  about(record, inputs);
  pictures.take(inputs, record);
  again.begin(id, inputs);
} catch (error) {
  if (!record) byId("title").textContent = error.status === 404 ? text("unknown") : error.message;
  else complain(error);
}
