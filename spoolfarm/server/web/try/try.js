// The page Try: choose a picture and a task, see the answer over the picture.

import { ask, send } from "../ask.js";
import { byId, debounced, make } from "../dom.js";
import { fileOf } from "../jobs/record.js";
import { complain } from "../messages.js";
import { copy } from "../save.js";
import { tabs } from "../tabs.js";
import { text, textOr } from "../text.js";
import { recordOf, showAnswer, showStatus } from "./answer.js";
import { Form } from "./form.js";
import { ended, run } from "./job.js";
import { arrivals } from "./pictures.js";
import { lines } from "./same.js";
import { Stage } from "./stage.js";

/** The parameter by which a task drops what it is unsure of: it is asked for all, and the page filters. */
const FILTERS = { segment: "score_threshold", ocr: "min_score" };
/** What is made of all that was found: files, totals, a text in paragraphs. */
const WHOLE = ["join", "measures", "mm_per_pixel", "outputs", "overlay", "ruler", "size_classes"];
/** The order of the tasks that come with the farm; those of one's own stand between, the last two at the end. */
const ORDER = ["ocr", "segment", "edit", "measure", "orient", "document", "classify", "", "simulate", "echo"];
/** Jobs of several pictures that are under way at once. */
const AT_ONCE = 3;
/** The outputs that are files to download, and what they are called. */
const OUTPUTS = { pdf: "searchable_pdf", hocr: "hOCR", alto: "ALTO" };

const stage = new Stage(byId("frame"));
const tasks = new Map();
let task = null;
let form = null;
let pictures = [];
let current = null;
let stopping = null;

// The task and its form.

const takesNone = () => task.max_images === 0;
const takesSeveral = () => task.max_images > 1;

async function begin() {
  const { tasks: told } = await ask("v1/tasks");
  const place = ({ name }) => ORDER.indexOf(ORDER.includes(name) ? name : "");
  told.sort((one, other) => place(one) - place(other));
  for (const each of told) tasks.set(each.name, each);
  if (!told.length) throw new Error(text("no_tasks"));
  byId("tasks").replaceChildren(...told.map(({ name, description }) => make("label", { class: "task" },
    make("input", { type: "radio", name: "task", value: name, onchange: () => choose(name) }),
    make("span", {}, make("strong", {}, textOr(`task_${name}`, name)),
      make("small", {}, textOr(`task_${name}_does`, description))))));
  const here = new URL(location.href).searchParams;
  await choose(tasks.has(here.get("task")) ? here.get("task") : told[0].name);
  if (here.get("job")) await again(here.get("job"));
}

async function choose(name) {
  task = tasks.get(name);
  byId("tasks").querySelector(`[value="${CSS.escape(name)}"]`).checked = true;
  const properties = task.params.properties ?? {};
  const choices = properties.model && await ask("api/models/").then(({ models }) => models.map(({ id }) => id), () => []);
  if (task.name !== name) return; // another one was chosen meanwhile
  form = new Form(name, task.params, FILTERS[name] ? [FILTERS[name]] : [], choices ? { model: choices } : {});
  byId("fields").replaceChildren(...(name === "simulate" ? [make("p", { class: "note" }, text("see_federated"))] : []),
    ...(choices && !choices.length ? [make("p", { class: "note warn" }, text("no_model"))] : []), ...form.nodes);
  remember({ task: name, job: null });
  show();
}

/** Keep `given` in the address, so that it can be shared and reloaded. */
function remember(given) {
  const here = new URL(location.href);
  for (const [name, value] of Object.entries(given)) {
    if (value) here.searchParams.set(name, value);
    else here.searchParams.delete(name);
  }
  history.replaceState(null, "", here);
}

// Pictures.

function take(arrived, isSample) {
  if (isSample) reset();
  pictures.push(...arrived);
  current = arrived[0];
  show();
  if (isSample) start();
}

function reset() {
  stopping?.abort();
  for (const picture of pictures) picture.forget?.();
  pictures = [];
  current = null;
}

function strip() {
  const list = byId("strip");
  list.hidden = pictures.length < 2;
  list.replaceChildren(...pictures.map(picture => {
    const button = make("button", { type: "button", class: picture.state, "aria-pressed": String(picture === current), title: picture.name, onclick: () => {
      current = picture;
      show();
    } }, make("img", { src: picture.url, alt: picture.name, loading: "lazy", onerror: event => event.target.replaceWith(picture.name.split(".").pop()) }));
    return make("li", {}, button);
  }));
}

/** Show the current picture, with the answer of the current task if there is one. */
async function show() {
  const shown = current ?? alone;
  const isDone = shown.state && shown.task === task.name;
  byId("empty").hidden = Boolean(current) || Boolean(isDone && shown.opened) || takesNone();
  byId("shown").hidden = !byId("empty").hidden || takesNone();
  byId("name").textContent = shown.name ?? "";
  strip();
  tellSame();
  byId("hide").hidden = true;
  if (isDone && shown.state === "succeeded") {
    showStatus(shown);
    await showAnswer(shown, stage, further(shown));
    byId("hide").hidden = !stage.layer.childElementCount;
    hide(false);
  } else {
    showStatus(isDone ? shown : {});
    if (current) await stage.show(current);
  }
  tellSame();
}

// Running.

/** What takes the place of a picture for tasks that need none, and for a job that was opened by its address. */
let alone = {};

/** The parameter that the page filters by itself, for `asked` with these parameters: none where all is summed up. */
const filter = (asked, params) => WHOLE.some(name => name in params) ? null : FILTERS[asked.name] ?? null;

async function start() {
  let params;
  try {
    if (!byId("asking").reportValidity()) return;
    params = form.read();
  } catch (error) {
    return complain(error);
  }
  if (!pictures.length && task.min_images > 0) {
    complain(text("choose_first"));
    document.querySelector("#empty [data-choose]").focus();
    return;
  }
  stopping?.abort();
  stopping = new AbortController();
  alone = { name: "" };
  const groups = takesNone() || !pictures.length ? [[alone]] : takesSeveral() ? [pictures] : pictures.map(each => [each]);
  byId("stop").hidden = false;
  byId("run").disabled = true;
  const { signal } = stopping;
  const asked = task;
  const left = [...groups];
  const one = async () => {
    while (left.length && !signal.aborted) await work(asked, left.shift(), params, signal);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, one));
  if (stopping.signal !== signal) return; // another run began
  byId("stop").hidden = true;
  byId("run").disabled = false;
}

async function work(asked, group, params, signal) {
  const [picture] = group;
  const by = await picture.size && filter(asked, params); // there is no slider over a PDF
  picture.signal = signal; // a later run of the same picture is the one that counts
  Object.assign(picture, { task: asked.name, params, state: "queued", record: null, view: null, failure: null, progress: null, line: null });
  picture.score = by ? asked.params.properties[by].default : null;
  const refresh = () => picture === (current ?? alone) && task === asked ? showStatus(picture) : null;
  strip();
  refresh();
  try {
    const files = picture === alone ? [] : group;
    const record = await run(asked.name, files, by ? { ...params, [by]: 0 } : params, told => {
      if (told.id && group.length >= pictures.length) remember({ job: told.id });
      if (told.status) picture.state = told.status === "queued" ? "queued" : "running";
      picture.progress = told.progress ?? picture.progress;
      picture.line = told.line ?? picture.line;
      refresh();
    }, signal);
    if (picture.signal !== signal) return;
    Object.assign(picture, { record, state: record.status });
  } catch (error) {
    if (picture.signal !== signal) return;
    const stopped = error.name === "AbortError";
    Object.assign(picture, { state: stopped ? "cancelled" : "failed", failure: stopped ? null : error });
  }
  for (const each of group) each.state = picture.state;
  if (picture === (current ?? alone)) await show();
  else strip();
}

/** Open the job that the address names: its answer, and the picture too where the page still has it. */
async function again(id) {
  try {
    let record = await recordOf(id);
    if (tasks.has(record.task)) await choose(record.task);
    remember({ job: id });
    alone = { opened: true, name: record.name ?? "", task: task.name, state: record.status, record, score: null };
    await show();
    if (record.finished) return;
    stopping = new AbortController();
    record = await ended(id, told => {
      Object.assign(alone, told.status ? { state: told.status } : told);
      showStatus(alone);
    }, stopping.signal);
    Object.assign(alone, { record, state: record.status });
    await show();
  } catch (error) {
    remember({ job: null });
    complain(error.status === 404 ? text("unknown_job") : error);
  }
}

/** Files that a further run of the task makes, where it can and has not made them yet. */
function further(picture) {
  const can = task.params.properties?.outputs?.items?.enum ?? [];
  if (!picture.blob || picture.record.files?.length) return [];
  return can.filter(name => OUTPUTS[name]).map(name => [textOr(OUTPUTS[name], OUTPUTS[name]), async () => {
    const record = await run(task.name, [picture], { ...picture.params, outputs: [name] }, () => {}, new AbortController().signal);
    if (!record.files?.length) throw new Error(record.error ?? text("state_failed"));
    return [record.files[0], await (await send(fileOf(record, record.files[0]))).blob()];
  }]);
}

// The same as.

function tellSame() {
  let params = {};
  try {
    params = form.read();
  } catch {
    // what does not parse yet is not told
  }
  const by = filter(task, params);
  const score = current?.view?.score;
  if (by && score !== undefined && score !== task.params.properties[by].default) params[by] = score;
  const files = takesNone() ? [] : pictures.length && takesSeveral() ? pictures : [current ?? { name: "picture.jpg" }];
  const kind = document.querySelector("#use [aria-selected=true]").id.replace("same-", "");
  byId("same").textContent = lines(task.name, params, task.min_images || pictures.length ? files : [])[kind];
}

function hide(hides) {
  stage.layer.classList.toggle("hidden", hides);
  byId("hide").setAttribute("aria-pressed", String(hides));
}

byId("asking").addEventListener("submit", event => {
  event.preventDefault();
  start();
});
byId("asking").addEventListener("input", debounced(tellSame, 100));
byId("panel").addEventListener("input", debounced(tellSame, 200));
byId("stop").addEventListener("click", () => stopping?.abort());
byId("clear").addEventListener("click", () => {
  reset();
  alone = {};
  remember({ job: null });
  show();
});
byId("hide").addEventListener("click", () => hide(!stage.layer.classList.contains("hidden")));
byId("same-copy").addEventListener("click", () => copy(byId("same").textContent));
document.addEventListener("keydown", event => {
  const writes = event.target.closest("input:not([type=range], [type=checkbox], [type=radio]), textarea, select, dialog");
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) start();
  else if (event.key === "h" && !writes && !event.ctrlKey && !event.metaKey && !event.altKey && !byId("hide").hidden) {
    hide(!stage.layer.classList.contains("hidden"));
  }
});

tabs("same", tellSame);
arrivals(take);
begin().catch(complain);
