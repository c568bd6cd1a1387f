// The farm as it is now: tasks, workers, pauses, the disk and the doctor.

import { ask, post } from "../ask.js";
import { byId, make } from "../dom.js";
import { keyed } from "../keyed.js";
import { looking } from "../looking.js";
import { complain, say } from "../messages.js";
import { number, text, textOr } from "../text.js";
import { duration, when } from "../time.js";
import { drawCurves } from "./curves.js";

/** Milliseconds between two looks, and when nothing has changed for so many looks. */
const LOOK = 2000;
const CALM = 5000;
const CALM_AFTER = 5;
const GIB = 2 ** 30;
/** The share of the disk that is free below which its bar is red. */
const LITTLE = 0.05;

let calm = 0;
let before = "";

const look = looking(async () => {
  const seen = await ask("v1/farm");
  show(seen);
  const told = JSON.stringify({ ...seen, at: 0, disk: 0 });
  calm = told === before ? calm + 1 : 0;
  before = told;
  return calm < CALM_AFTER ? LOOK : CALM;
});

function show(seen) {
  const { tasks, workers } = seen;
  byId("summary").textContent = text("summary", {
    workers: number(workers.length), queued: number(seen.queued), running: number(seen.running), dead: number(seen.dead),
  });
  showPauses(seen);
  byId("alone").hidden = seen.launcher !== null;
  byId("tasks").classList.toggle("idle", !seen.running);
  showTasks(tasks);
  showLanes(seen);
  const { free_bytes: free, total_bytes: total, path } = seen.disk;
  byId("disk").value = 1 - free / total;
  byId("disk").classList.toggle("full", free < LITTLE * total);
  byId("disk-free").textContent = text("disk_free", { free: number(free / GIB), total: number(total / GIB) });
  byId("disk-path").textContent = path;
}

function showPauses(seen) {
  const names = Object.keys(seen.paused);
  const all = "*" in seen.paused;
  byId("pause-all").hidden = all;
  byId("resume-all").hidden = !names.length;
  byId("resting").hidden = !names.length;
  if (all) byId("resting").textContent = text("all_paused", { time: duration(seen.at - seen.paused["*"]) });
  else if (names.length) byId("resting").textContent = text("some_paused", { tasks: names.join(", ") });
}

const showTasks = keyed(byId("tasks"), task => task.name, task => {
  const cells = Object.fromEntries(["queued", "running", "minute", "failed", "oldest", "done"].map(name => [name, make("td", { class: "figure" })]));
  for (const name of ["failed", "oldest", "done"]) cells[name].classList.add("wide");
  const state = make("span", { class: "state" });
  const button = make("button", { type: "button" });
  button.addEventListener("click", () => act(button.dataset.path, button.dataset.said, { task: task.name }));
  const row = make("tr", {},
    make("td", {}, make("span", { class: "name" }, task.name), state),
    ...Object.values(cells), make("td", {}, button));
  return { node: row, update: now => {
    cells.queued.textContent = number(now.queued);
    cells.running.textContent = number(now.running);
    cells.minute.textContent = number(Math.round(now.rate.minute * 60));
    cells.failed.textContent = number(now.rate.failed);
    cells.failed.classList.toggle("bad", now.rate.failed > 0);
    cells.oldest.textContent = now.oldest ? duration(now.oldest) : "–";
    const done = { succeeded: 0, failed: 0, cancelled: 0, ...now.done };
    cells.done.textContent = number(done.succeeded + done.failed + done.cancelled);
    cells.done.title = text("done_more", done);
    const word = now.paused ? "paused" : now.problem ? "disabled" : now.workers ? "" : "no_worker";
    state.hidden = !word;
    state.className = `state ${now.paused ? "queued" : "failed"}`;
    state.textContent = word && text(`state_${word}`);
    state.title = now.problem;
    button.textContent = text(now.paused ? "resume" : "pause");
    button.setAttribute("aria-label", text(now.paused ? "resume_task" : "pause_task", { task: now.name }));
    button.dataset.path = `v1/tasks/${now.name}/${now.paused ? "resume" : "pause"}`;
    button.dataset.said = now.paused ? "said_resumed" : "said_paused";
    button.hidden = now.paused && byId("pause-all").hidden; // it rests with all others
  } };
});

function showLanes(seen) {
  byId("until").hidden = !seen.limit;
  lanes(seen.lanes.map(lane => {
    const general = lane.name === "general";
    const wanted = general ? seen.launcher?.workers ?? lane.workers : lane.workers;
    return { ...lane, wanted, limit: general ? seen.limit : null, mine: seen.workers.filter(worker => worker.lane === lane.name) };
  }));
}

const lanes = keyed(byId("lanes"), lane => lane.name, lane => {
  const about = make("span", { class: "soft numbers" });
  const less = make("button", { type: "button", "aria-label": text("retire_worker"), title: text("retire_worker") }, "−");
  const more = make("button", { type: "button", "aria-label": text("add_worker"), title: text("add_worker") }, "+");
  less.addEventListener("click", () => act("v1/workers/retire", "said_retired"));
  more.addEventListener("click", () => act("v1/workers/add", "said_added"));
  const list = make("ul", { class: "workers" });
  const nobody = make("p", { class: "soft" }, text("no_workers"));
  const showWorkers = keyed(list, worker => worker.worker, workerCard);
  const node = make("div", { class: "lane" },
    make("div", { class: "row" }, make("h3", {}, textOr(`lane_${lane.name}`, lane.name)), about, less, more), list, nobody);
  return { node, update: now => {
    about.textContent = text("lane_about", { ready: now.mine.length, wanted: Math.max(now.wanted, now.mine.length) });
    for (const button of [less, more]) button.hidden = !now.limit;
    less.disabled = now.wanted <= 1;
    more.disabled = now.wanted >= now.limit;
    nobody.hidden = now.mine.length > 0;
    list.hidden = !now.mine.length;
    showWorkers(now.mine);
  } };
});

function workerCard(worker) {
  const state = make("span", { class: "state" });
  const done = make("p", { class: "hint" });
  const doing = make("div", { class: "doing" });
  const node = make("li", {}, make("div", { class: "row apart" }, make("span", { class: "name numbers" }, String(worker.pid)), state), doing, done);
  return { node, update: now => {
    const [first] = now.jobs;
    state.className = `state ${first ? "running" : ""}`;
    state.textContent = first ? duration(first.seconds) : text("idle");
    doing.replaceChildren(...now.jobs.map(job =>
      make("div", {}, `${job.task} `, make("a", { href: `jobs/${job.id}` }, make("code", {}, job.id)))));
    if (now.more) doing.append(text("and_more", { n: now.more }));
    done.textContent = text("worker_done", { done: number(now.done), failed: number(now.failed), since: when(now.since) });
  } };
}

async function act(path, said, given = {}) {
  try {
    const answer = await post(path, {});
    say(text(said, { ...given, n: answer.wanted }));
  } catch (error) {
    complain(error);
  }
  calm = 0;
  await look();
}

byId("pause-all").addEventListener("click", () => act("v1/pause", "said_all_paused"));
byId("resume-all").addEventListener("click", () => act("v1/resume", "said_all_resumed"));

byId("examine").addEventListener("click", async event => {
  const button = event.currentTarget;
  button.disabled = true;
  byId("doctor-said").textContent = text("examining");
  try {
    showFindings((await ask("v1/doctor?again=true")).findings);
  } catch (error) {
    byId("doctor-said").textContent = error.message;
  }
  button.disabled = false;
});

function showFindings(findings) {
  const bad = findings.filter(each => each.level !== "ok");
  byId("doctor-said").textContent = bad.length
    ? text("doctor_at", { bad: bad.length, n: findings.length }) : text("doctor_well", { n: findings.length });
  byId("findings").replaceChildren(...bad.map(line));
  byId("findings").hidden = !bad.length;
  byId("well-list").replaceChildren(...findings.filter(each => each.level === "ok").map(line));
  byId("well").hidden = false;
}

function line(finding) {
  const kind = { ok: "succeeded", warn: "queued", FAIL: "failed" }[finding.level];
  return make("li", {}, make("span", { class: `state ${kind}` }, text(`level_${finding.level}`)),
    make("span", {}, `${finding.check}: ${finding.what}`), finding.advice && make("p", { class: "soft" }, finding.advice));
}

look().then(drawCurves);
