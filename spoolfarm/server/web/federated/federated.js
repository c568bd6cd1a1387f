// The page: start a simulation and watch it, look at the models, have them predict.
"use strict";

const $ = id => document.getElementById(id);
/** Lines of the output that the page keeps. */
const KEPT = 2000;
const ROUND = /\bround\s+(\d+)\s*(?:\/|of)\s*\d+.*?\baccuracy\s+([\d.]+).*?\bloss\s+([\d.]+|nan|inf)/i;

let key = sessionStorage.getItem("spoolfarm-key") || "";
let socket = null;
let job = null;
let seen = 0;
let curve = null;
/** Settled once the key has been tried: whoever starts a run at once must wait for the connection. */
let opened = null;

async function ask(path, options = {}) {
  const headers = { ...options.headers, ...(key && { "X-API-Key": key }) };
  const answer = await fetch(path, { ...options, headers });
  if (answer.status === 401) wantKey();
  const body = await answer.json();
  if (!answer.ok) throw new Error(body.error || answer.statusText);
  return body;
}

// The key.

function wantKey() {
  $("key").hidden = false;
  $("key").classList.toggle("wrong", Boolean(key));
  $("key").querySelector("input").focus();
}

$("key").addEventListener("submit", event => {
  event.preventDefault();
  key = $("key").querySelector("input").value.trim();
  opened = open();
});

async function open() {
  try {
    await showModels();
  } catch (error) {
    $("about").textContent = error.message;
    if (!$("key").hidden) return;
  }
  sessionStorage.setItem("spoolfarm-key", key);
  $("key").hidden = true;
  connect();
}

// Training.

function connect() {
  if (socket) socket.disconnect();
  socket = io({ path: new URL("socket.io", document.baseURI).pathname, auth: key ? { api_key: key } : {} });
  socket.on("connect", () => {
    job = job || sessionStorage.getItem("spoolfarm-job");
    if (job) {
      if (!curve) begin(job);
      socket.emit("follow_simulation", { job, start: seen });
    }
  });
  socket.on("connect_error", error => tell(error.message, true));
  socket.on("simulation_started", body => begin(body.job));
  socket.on("simulation_log", hear);
  socket.on("simulation_progress", body => { if (body.job === job) $("progress").value = body.progress; });
  socket.on("simulation_complete", body => end(body.message));
  socket.on("simulation_error", body => end(body.message, true));
}

function begin(id) {
  job = id;
  seen = 0;
  curve = { rounds: [], accuracies: [], losses: [] };
  sessionStorage.setItem("spoolfarm-job", id);
  $("log").textContent = "";
  $("live").replaceChildren();
  $("progress").value = 0;
  $("stop").disabled = false;
  $("start").querySelector("button").disabled = true;
  tell("running");
}

function hear(body) {
  if ("status" in body) return tell(body.message);
  if ("exit_code" in body) return;
  seen += 1;
  tell("running");
  const log = $("log");
  const below = log.scrollTop + log.clientHeight > log.scrollHeight - 40;
  log.append(`${body.message}\n`);
  while (log.childNodes.length > KEPT) log.firstChild.remove();
  if (below) log.scrollTop = log.scrollHeight;
  const found = ROUND.exec(body.message);
  if (found) {
    curve.rounds.push(Number(found[1]));
    curve.accuracies.push(Number(found[2]));
    curve.losses.push(Number(found[3]));
    chart($("live"), curve);
  }
}

function end(message, bad = false) {
  tell(message, bad);
  job = null;
  sessionStorage.removeItem("spoolfarm-job");
  $("stop").disabled = true;
  $("start").querySelector("button").disabled = false;
  if (!bad) showModels(true).catch(error => tell(error.message, true));
}

function tell(text, bad = false) {
  $("state").textContent = text;
  $("state").classList.toggle("bad", bad);
}

/** A word as the number or the truth value that it says, else as it is. */
function value(text) {
  if (text === "true" || text === "false") return text === "true";
  return text.trim() !== "" && Number.isFinite(Number(text)) ? Number(text) : text;
}

$("start").addEventListener("submit", async event => {
  event.preventDefault();
  await opened;
  if (!socket) return wantKey();
  const params = {};
  for (const [name, text] of new FormData($("start"))) if (text !== "") params[name] = Number(text);
  for (const line of $("more").value.split("\n").filter(line => line.trim())) {
    const [name, ...rest] = line.split("=");
    params[name.trim()] = value(rest.join("=").trim());
  }
  tell("starting");
  socket.emit("start_simulation", params);
});

$("stop").addEventListener("click", () => {
  tell("stopping");
  ask(`v1/jobs/${job}`, { method: "DELETE" }).catch(error => tell(error.message, true));
});

// Models.

async function showModels(newest = false) {
  const chosen = $("model").value;
  const { models } = await ask("api/models/");
  $("model").replaceChildren(...models.map(({ id }) => new Option(id, id)));
  const run = models.find(({ id }) => /_\d{8}-\d{6}/.test(id));
  const wanted = newest && run ? run.id : chosen;
  if (models.some(({ id }) => id === wanted)) $("model").value = wanted;
  await showHistory();
}

async function showHistory() {
  const id = $("model").value;
  $("history").replaceChildren();
  if (!id) {
    $("about").textContent = "There is no model yet: train one.";
    return;
  }
  try {
    const history = await ask(`api/models/${encodeURIComponent(id)}/training_history/`);
    const facts = [`${history.rounds.length} rounds`];
    if (Number.isFinite(history.test_accuracy)) facts.push(`${(100 * history.test_accuracy).toFixed(1)} % right on the test part`);
    if (history.total_training_time) facts.push(`trained in ${history.total_training_time}`);
    $("about").textContent = facts.join(", ");
    chart($("history"), history);
  } catch (error) {
    $("about").textContent = error.message;
  }
}

$("model").addEventListener("change", showHistory);
$("refresh").addEventListener("click", () => showModels().catch(error => { $("about").textContent = error.message; }));

// Predictions.

async function predict(picture) {
  const list = $("predictions");
  try {
    if (!$("model").value) throw new Error("There is no model yet: train one.");
    const body = JSON.stringify({ model_id: $("model").value, image_data: picture });
    const headers = { "Content-Type": "application/json" };
    const { predictions } = await ask("api/predict/", { method: "POST", headers, body });
    list.replaceChildren(...predictions.slice(0, 10).map(row));
  } catch (error) {
    const item = document.createElement("li");
    item.className = "error";
    item.textContent = error.message;
    list.replaceChildren(item);
  }
}

function row({ label, probability }) {
  const item = document.createElement("li");
  const [name, bar, share, part] = ["b", "div", "span", "span"].map(tag => document.createElement(tag));
  name.textContent = label;
  bar.className = "bar";
  part.style.width = `${100 * probability}%`;
  bar.append(part);
  share.className = "share";
  share.textContent = `${(100 * probability).toFixed(1)} %`;
  item.append(name, bar, share);
  return item;
}

const pad = new Pad($("canvas"), () => predict(pad.picture()));
$("clear").addEventListener("click", () => {
  pad.clear();
  $("predictions").replaceChildren();
});

async function take(file) {
  if (!file) return;
  const reader = new FileReader();
  reader.addEventListener("load", () => predict(reader.result));
  reader.readAsDataURL(file);
  const picture = await createImageBitmap(file).catch(() => null);
  pad.clear();
  if (picture) {
    const scale = Math.min(280 / picture.width, 280 / picture.height);
    pad.context.drawImage(picture, 140 - picture.width * scale / 2, 140 - picture.height * scale / 2,
      picture.width * scale, picture.height * scale);
  }
}

$("file").addEventListener("change", event => take(event.target.files[0]));
for (const name of ["dragenter", "dragover", "dragleave", "drop"])
  $("pad").addEventListener(name, event => {
    event.preventDefault();
    $("pad").classList.toggle("over", name === "dragenter" || name === "dragover");
    if (name === "drop") take(event.dataTransfer.files[0]);
  });

opened = open();
