// The filters: a form whose fields are the query of the page's address and of `GET /v1/jobs`, by the same names.

import { ask } from "../ask.js";
import { byId, debounced, make } from "../dom.js";
import { text } from "../text.js";
import { now, when } from "../time.js";

const FIELDS = ["status", "task", "source", "name", "error", "id"];
/** Milliseconds without a keystroke after which a text counts. */
const QUIET = 250;

const form = byId("filters");
const times = { since: byId("since"), until: byId("until") };

/** The query as it stands in the address, without empty fields. */
export function query() {
  const here = new URLSearchParams(location.search);
  return Object.fromEntries([...FIELDS, "since", "until"].map(name => [name, here.get(name)]).filter(([, value]) => value));
}

/** The same as a filter in JSON, for acts on all that fit. */
export function filter() {
  const found = query();
  for (const name of ["since", "until"]) {
    if (Number.isFinite(Number(found[name]))) found[name] = Number(found[name]); // else the farm says what is wrong
  }
  return found;
}

/** The same in words. */
export function inWords() {
  const found = query();
  const said = [];
  if (found.status) said.push(text(`state_${found.status}`));
  if (found.task) said.push(found.task);
  if (found.source) said.push(form.elements.source.selectedOptions[0]?.textContent ?? found.source);
  for (const [name, label] of [["name", text("file")], ["error", text("error")], ["id", text("id")]]) {
    if (found[name]) said.push(`${label} “${found[name]}”`);
  }
  for (const name of ["since", "until"]) if (found[name]) said.push(`${text(name)} ${when(Number(found[name]))}`);
  return said.join(" · ");
}

/** Fill the form from the address, keep the two the same from now on, and call `changed` whenever they change. */
export function begin(changed) {
  fill();
  const take = () => {
    const asked = new URLSearchParams(Object.entries(read()).filter(([, value]) => value));
    if (asked.toString() === location.search.slice(1)) return;
    history.pushState(null, "", asked.size ? `?${asked}` : location.pathname);
    show();
    changed();
  };
  form.addEventListener("submit", event => {
    event.preventDefault();
    take();
  });
  form.addEventListener("change", event => {
    if (event.target.id === "time") choose();
    take();
  });
  form.addEventListener("input", debounced(take, QUIET));
  byId("clear").addEventListener("click", () => {
    form.reset();
    byId("time").value = times.since.value = times.until.value = "";
    take();
    form.elements.status[0].focus();
  });
  addEventListener("popstate", () => {
    fill();
    changed();
  });
  if (matchMedia("(max-width: 52rem)").matches) byId("more-filters").open = FIELDS.slice(1).some(name => query()[name]);
  tasks();
}

async function tasks() {
  const { tasks: known } = await ask("v1/tasks").catch(() => ({ tasks: [] })); // the list says that the farm is not there
  for (const { name } of known) offer(name);
  form.elements.task.value = query().task ?? "";
}

/** Offer a task as a choice; one that is gone may still have jobs. */
function offer(name) {
  const select = form.elements.task;
  if (![...select.options].some(option => option.value === name)) select.append(make("option", { value: name }, name));
}

function fill() {
  const found = query();
  if (found.task) offer(found.task);
  for (const name of FIELDS) form.elements[name].value = found[name] ?? "";
  for (const one of form.elements.status) one.checked = one.value === (found.status ?? ""); // Chromium has "" choose none
  for (const [name, input] of Object.entries(times)) input.value = found[name] ? local(Number(found[name])) : "";
  byId("time").value = found.since || found.until ? "own" : "";
  show();
}

function show() {
  const own = byId("time").value === "own";
  for (const field of form.querySelectorAll(".own")) field.hidden = !own;
  byId("clear").hidden = !Object.keys(query()).length;
}

/** A span of time was chosen: it begins so many seconds ago. */
function choose() {
  const seconds = Number(byId("time").value);
  if (byId("time").value !== "own") times.until.value = "";
  if (seconds) times.since.value = local(now() - seconds);
  else if (byId("time").value === "") times.since.value = "";
  show();
}

function read() {
  const found = Object.fromEntries(FIELDS.map(name => [name, form.elements[name].value.trim()]));
  for (const [name, input] of Object.entries(times)) found[name] = input.value && String(new Date(input.value).getTime() / 1000);
  return found;
}

/** Seconds since 1970 as a field for date and time has them; "" for what is no time. */
function local(seconds) {
  const date = new Date(seconds * 1000);
  if (Number.isNaN(date.getTime())) return "";
  return new Date(date.getTime() - date.getTimezoneOffset() * 60000).toISOString().slice(0, 16);
}
