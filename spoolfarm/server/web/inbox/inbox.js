// The hot folders: what waits, what failed and why, what is done, and files put back for a retry.

import { ask, post } from "../ask.js";
import { byId, make } from "../dom.js";
import { explained } from "../explained.js";
import { keyed } from "../keyed.js";
import { looking } from "../looking.js";
import { complain, say } from "../messages.js";
import { sure } from "../sure.js";
import { tabs } from "../tabs.js";
import { number, text } from "../text.js";
import { when } from "../time.js";

/** Milliseconds between two looks; files that are shown, and put back by one request. */
const LOOK = 5000;
const SHOWN = 200;
const TOGETHER = 1000;
const KINDS = ["failed", "waiting", "done"];

const chosen = { folder: "", kind: "" };
let folders = [];

function readAddress() {
  const query = new URLSearchParams(location.search);
  chosen.folder = query.get("folder") ?? "";
  chosen.kind = KINDS.includes(query.get("show")) ? query.get("show") : "failed";
}

function writeAddress() {
  history.replaceState(null, "", `?${new URLSearchParams({ folder: chosen.folder, show: chosen.kind })}`);
}

const look = looking(async () => {
  const seen = await ask("v1/inbox");
  ({ folders } = seen);
  showStrangers(seen.strangers);
  byId("looking")?.remove();
  showFolders(folders);
  if (!folders.length) byId("folders").replaceChildren(make("li", { class: "soft" }, text("no_folders")));
  if (!folders.some(each => each.task === chosen.folder)) chosen.folder = (folders.find(each => each.failed) ?? folders[0])?.task ?? "";
  await showChosen();
  return LOOK;
});

function showStrangers(strangers) {
  byId("strangers").hidden = !strangers.length;
  const names = strangers.map(each => text("stranger", { name: each.name, files: each.files })).join(", ");
  if (names) byId("strangers").textContent = text("strangers", { names });
}

const showFolders = keyed(byId("folders"), folder => folder.task, folder => {
  const paused = make("span", { class: "state queued" }, text("is_paused"));
  const counts = make("span", { class: "counts numbers" });
  const button = make("button", { type: "button" }, make("span", { class: "name" }, folder.task, paused), counts);
  button.addEventListener("click", () => choose({ folder: folder.task }));
  return { node: make("li", {}, button), update: now => {
    paused.hidden = !now.paused;
    counts.textContent = text("counted", { waiting: number(now.waiting), failed: number(now.failed), done: number(now.done) });
    counts.classList.toggle("bad", now.failed > 0);
    counts.title = now.complete ? "" : text("not_all");
    if (now.task === chosen.folder) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
  } };
});

async function choose(what) {
  Object.assign(chosen, what);
  writeAddress();
  showFolders(folders);
  await showChosen();
}

async function showChosen() {
  const folder = folders.find(each => each.task === chosen.folder);
  byId("chosen").hidden = !folder;
  if (!folder) return;
  showFolders(folders);
  byId("folder").textContent = folder.task;
  byId("path").textContent = `${folder.path}/`;
  byId("paused").hidden = !folder.paused;
  for (const each of KINDS) byId(`which-${each}`).querySelector(".count").textContent = number(folder[each]);
  showTab(chosen.kind);
  const { files } = await ask(`v1/inbox/${folder.task}?which=${chosen.kind}&limit=${SHOWN}`);
  showRows(files);
  byId("when").hidden = chosen.kind === "waiting";
  byId("why").hidden = chosen.kind !== "failed";
  byId("none").hidden = files.length > 0;
  byId("none").textContent = text({ failed: "none_failed", waiting: "none_waiting", done: "none_done" }[chosen.kind]);
  byId("rows").closest("table").hidden = !files.length;
  byId("more").hidden = files.length < SHOWN;
  byId("more").textContent = text("shown_first", { n: number(SHOWN) });
  byId("all-back").hidden = chosen.kind !== "failed" || files.length < 2;
  byId("all-back").textContent = text("put_all_back", { n: number(folder.failed) });
}

const showRows = keyed(byId("rows"), file => `${chosen.folder} ${chosen.kind} ${file.key} ${file.at}`, file => {
  const answered = chosen.kind !== "waiting";
  const show = make("button", { type: "button", class: "quiet", "aria-label": text("show_name", { name: file.name }) }, text("show"));
  show.addEventListener("click", () => showAnswer(file));
  const back = make("button", { type: "button", "aria-label": text("put_back_name", { name: file.name }) }, text("put_back"));
  back.addEventListener("click", () => putBack([file.key]));
  const why = make("td", { class: "why" }, file.error || (file.status === "cancelled" ? text("cancelled") : ""), " ", explained(file.code));
  const node = make("tr", {},
    make("td", { class: "name-cell" }, file.name),
    answered ? make("td", { class: "when numbers" }, when(file.at)) : null,
    chosen.kind === "failed" ? why : null,
    make("td", {}, answered ? show : null, " ", chosen.kind === "failed" ? back : null));
  return { node, update: () => {} };
});

async function showAnswer(file) {
  try {
    const answer = await ask(`v1/inbox/${chosen.folder}/${file.key}`);
    byId("answer-title").textContent = file.name;
    byId("answer-text").textContent = answer.result?.text || JSON.stringify(answer, null, 2);
    byId("answer").showModal();
  } catch (error) {
    complain(error);
  }
}

async function putBack(keys) {
  try {
    let done = 0;
    const left = [];
    for (let at = 0; at < keys.length; at += TOGETHER) {
      const answer = await post(`v1/inbox/${chosen.folder}/put-back`, { keys: keys.slice(at, at + TOGETHER) });
      done += answer.put_back;
      left.push(...answer.left);
    }
    if (done) say(text("said_put_back", { n: number(done) }));
    if (left.length) complain(text("said_left", { n: number(left.length), ...left[0] }));
  } catch (error) {
    complain(error);
  }
  await look();
}

byId("all-back").addEventListener("click", async () => {
  const folder = folders.find(each => each.task === chosen.folder);
  const question = text("put_all_sure", { n: number(folder.failed), task: folder.task });
  if (!await sure(question, text("put_back"), "main")) return;
  const { files } = await ask(`v1/inbox/${folder.task}?which=failed&limit=${TOGETHER}`);
  await putBack(files.map(file => file.key));
});

const showTab = tabs("files", kind => choose({ kind }).catch(complain));
readAddress();
look();
