// The page Batch: order one, see how far each has come, and take the results.

import { ask, post, send } from "../ask.js";
import { byId, make } from "../dom.js";
import { dropped } from "../dropped.js";
import { explained } from "../explained.js";
import { keyed } from "../keyed.js";
import { looking } from "../looking.js";
import { complain, say } from "../messages.js";
import { sure } from "../sure.js";
import { number, text, textOr } from "../text.js";
import { duration, when } from "../time.js";
import { Form } from "../try/form.js";
import { chosen, sendAll, takeAway } from "./files.js";

/** Milliseconds between two looks: while something runs, and else. */
const BUSY = 1000;
const CALM = 5000;
const MIB = 2 ** 20;
const KINDS = { running: "running", done: "succeeded", failed: "failed", interrupted: "queued", stopped: "queued", open: "" };

const one = new URLSearchParams(location.search).get("id");
const path = `v1/batches/${encodeURIComponent(one)}`;
const tasks = new Map();
let form = null;
let files = [];

// What is known of a batch.

const ended = batch => (batch.ended ?? 0) + (batch.earlier ?? 0);

function told(batch) {
  if (batch.state === "open") return "";
  const parts = [text("told", { done: number(ended(batch)), total: number(batch.total), failed: number(batch.failed) })];
  if (batch.state === "running" && batch.rate) parts.push(text("told_rate", { rate: number(Math.round(batch.rate * 100) / 100) }));
  if (batch.state === "running" && batch.left) parts.push(text("told_left", { time: duration(batch.left) }));
  return parts.join(" · ");
}

function showState(element, batch) {
  element.className = `state ${KINDS[batch.state] ?? ""}`;
  element.textContent = textOr(`is_${batch.state}`, batch.state);
}

const look = looking(async () => await (one ? lookAtOne() : lookAtAll()) ? BUSY : CALM, [401, 404]);

async function lookAtAll() {
  const { batches, folders } = await ask("v1/batches");
  byId("none").hidden = batches.length > 0;
  showBatches(batches);
  if (byId("server-folders").children.length !== folders.length) {
    byId("server-folders").replaceChildren(...folders.map(value => make("option", { value })));
  }
  return batches.some(batch => batch.state === "running");
}

const showBatches = keyed(byId("batches"), batch => batch.id, batch => {
  const state = make("span", { class: "state" });
  const bar = make("progress", { max: 1, "aria-label": batch.name || batch.task });
  const line = make("span", { class: "soft numbers" });
  const node = make("li", {}, make("a", { href: `?id=${batch.id}` },
    make("span", { class: "row apart" }, make("span", { class: "name" }, batch.name || batch.task), state),
    make("span", { class: "hint" }, `${textOr(`task_${batch.task}`, batch.task)} · ${when(batch.created)}`), bar, line));
  return { node, update: now => {
    showState(state, now);
    bar.value = now.total ? ended(now) / now.total : now.state === "done" ? 1 : 0;
    line.textContent = told(now);
  } };
});

// One batch.

async function lookAtOne() {
  const batch = await ask(path);
  const running = batch.state === "running";
  document.title = `${batch.name || batch.task} · spoolfarm`;
  byId("one").hidden = false;
  byId("one-title").textContent = batch.name || batch.task;
  showState(byId("one-state"), batch);
  const about = [textOr(`task_${batch.task}`, batch.task), Object.keys(batch.params).length && JSON.stringify(batch.params), batch.folder, text("started", { when: when(batch.created) })];
  byId("one-about").textContent = about.filter(Boolean).join(" · ");
  byId("one-progress").value = batch.total ? ended(batch) / batch.total : batch.state === "done" ? 1 : 0;
  byId("one-told").textContent = told(batch);
  const note = batch.state === "interrupted" ? text("interrupted_why") : batch.note;
  byId("one-note").hidden = !note;
  byId("one-note").textContent = note;
  byId("one-passed").hidden = !batch.passed_over;
  byId("one-passed").textContent = text("told_passed", { files: batch.passed_over });
  byId("stop").hidden = !running;
  byId("remove").hidden = running;
  const all = batch.state === "done" && !batch.failed;
  byId("again").hidden = running || all;
  byId("again").textContent = text(batch.state === "done" ? "retry_failed" : batch.state === "open" ? "begin" : "go_on");
  byId("pdfs").hidden = batch.task !== "document" && !(batch.params.outputs ?? []).includes("pdf");
  showFailures(batch);
  return running;
}

function showFailures({ failures, failed }) {
  byId("no-failures").hidden = failures.length > 0;
  byId("failed").hidden = !failures.length;
  byId("failures-more").hidden = failures.length >= failed;
  byId("failures-more").textContent = text("failures_first", { n: number(failures.length) });
  failureRows(failures);
}

const failureRows = keyed(byId("failures"), each => each.file, each => ({
  node: make("tr", {}, make("td", {}, each.file), make("td", {}, each.error ?? "", " ", explained(each.code))),
  update: () => {},
}));

async function act(what, said) {
  try {
    await post(`${path}/${what}`, {});
    say(text(said));
  } catch (error) {
    complain(error);
  }
  await look();
}

byId("stop").addEventListener("click", () => act("stop", "said_stopping"));
byId("again").addEventListener("click", () => act("start", "said_begun"));
byId("remove").addEventListener("click", async () => {
  if (!await sure(text("remove_sure", { name: byId("one-title").textContent }), text("remove"))) return;
  try {
    await send(path, { method: "DELETE" });
    location.search = "";
  } catch (error) {
    complain(error);
  }
});
for (const button of byId("downloads").querySelectorAll("[data-get]")) {
  button.addEventListener("click", () => {
    const [name, query] = button.dataset.get.split("?");
    takeAway(`${path}/${button.dataset.get}`, `${one}${query ? "-pdf" : ""}.${name.split(".")[1]}`).catch(complain);
  });
}

// A new batch.

function take(more) {
  files = more.filter(({ name }) => !name.split("/").some(part => part.startsWith(".")));
  const size = files.reduce((sum, { file }) => sum + file.size, 0);
  byId("chosen").hidden = !files.length;
  byId("chosen-said").textContent = text("chosen_files", { n: number(files.length), size: number(Math.ceil(size / MIB * 10) / 10) });
  byId("order-said").hidden = true;
}

function refuse(words) {
  byId("order-said").textContent = words;
  byId("order-said").hidden = false;
}

function chooseTask() {
  const task = tasks.get(byId("task").value);
  form = new Form(task.name, task.params, [], {});
  const hint = task.params.properties?.outputs ? [make("p", { class: "hint" }, text("pdf_hint"))] : [];
  byId("fields").replaceChildren(...form.nodes, ...hint);
}

async function order() {
  const folder = byId("server-folder").value.trim();
  if (!files.length && !folder) throw new Error(text("choose_some"));
  if (files.length && folder) throw new Error(text("not_both"));
  const name = folder || files[0].name.split("/").slice(0, -1)[0] || files[0].name;
  const { id } = await post("v1/batches", { task: byId("task").value, params: form.read(), folder, name });
  if (files.length) {
    byId("sending").hidden = false;
    await sendAll(id, files, sent => {
      byId("sent").value = sent / files.length;
      byId("sending-said").textContent = text("sending", { n: number(sent), all: number(files.length) });
    });
    await post(`v1/batches/${id}/start`, {});
  }
  location.search = `?id=${id}`;
}

byId("order").addEventListener("submit", async event => {
  event.preventDefault();
  byId("begin").disabled = true;
  byId("order-said").hidden = true;
  await order().catch(error => refuse(error.message));
  byId("begin").disabled = false;
  byId("sending").hidden = true;
});
byId("task").addEventListener("change", chooseTask);
byId("choose-folder").addEventListener("click", () => byId("folder-input").click());
byId("choose-files").addEventListener("click", () => byId("files-input").click());
byId("forget").addEventListener("click", () => take([]));
for (const id of ["folder-input", "files-input"]) byId(id).addEventListener("change", event => take(chosen(event.target)));
for (const name of ["dragover", "dragleave", "drop"]) {
  byId("drop").addEventListener(name, event => {
    event.preventDefault();
    byId("drop").classList.toggle("over", name === "dragover");
  });
}
byId("drop").addEventListener("drop", event => dropped(event.dataTransfer).then(take, complain));

async function begin() {
  if (one) {
    byId("overview").hidden = true;
    return;
  }
  const told = (await ask("v1/tasks")).tasks.filter(task => task.min_images <= 1 && task.max_images >= 1 && task.name !== "simulate");
  for (const task of told) tasks.set(task.name, task);
  const first = ["ocr", "document", "edit"].find(name => tasks.has(name));
  byId("task").replaceChildren(...told.map(({ name }) => make("option", { value: name, selected: name === first }, textOr(`task_${name}`, name))));
  if (told.length) chooseTask();
}

begin().then(look, error => { byId("trouble").textContent = error.message; byId("trouble").hidden = false; });
