// The panel beside the stage: the view that fits an answer, what can be downloaded of it, and its JSON.

import { address, ask } from "../ask.js";
import { byId, make } from "../dom.js";
import { explained } from "../explained.js";
import { fileOf, state } from "../jobs/record.js";
import { complain } from "../messages.js";
import { download, save } from "../save.js";
import { text } from "../text.js";
import { duration } from "../time.js";
import * as edited from "./edited.js";
import * as lines from "./lines.js";
import * as masks from "./masks.js";
import * as pages from "./pages.js";
import { Chances, Direction, Measures, Plain, Text } from "./simple.js";

/** The views, of which the first that fits is taken, whatever the task is called. */
const VIEWS = [
  [masks.fits, masks.Masks],
  [lines.fits, lines.Lines],
  [Chances.fits, Chances],
  [Measures.fits, Measures],
  [Direction.fits, Direction],
  [pages.fits, pages.Pages],
  [edited.fits, edited.Edited],
  [Text.fits, Text],
  [() => true, Plain],
];
/** Characters of JSON that are shown; the download has them all. */
const MOST = 100_000;

/** The name of a file without its folders and its suffix. */
const stem = name => name.replace(/\.[^.]+$/, "");

/** Show how the job of `picture` ended. `more` makes files that a further run gives: pairs of a name and a function. */
export async function showAnswer(picture, stage, more) {
  const { record, score } = picture;
  const answer = record.result;
  await stage.show(picture.blob ? picture : null, sizeOf(answer));
  if (picture.view?.paint) await picture.view.paint();
  else {
    const [, View] = VIEWS.find(([fits]) => fits(answer, record));
    picture.view = new View({ answer, record, stage, picture: picture.blob ? picture : null, score });
    await picture.view.ready?.catch(complain);
  }
  const { view } = picture;
  byId("panel").replaceChildren(...view.nodes, downloads(picture, view, more), json(view));
  byId("panel").hidden = false;
}

/** The size of the picture that an answer is of, as far as it tells. */
function sizeOf(answer) {
  const [height, width] = answer?.masks?.[0]?.mask_rle?.size ?? [];
  return [answer?.image, answer, { width, height }].find(each => each?.width > 0 && each?.height > 0) ?? null;
}

function downloads(picture, view, more) {
  const name = stem(picture.name || picture.record.id);
  const own = (view.downloads?.(picture.name) ?? []).map(([label, suffix, made]) =>
    button(label, async () => save(`${name}.${suffix}`, await made())));
  const files = (picture.record.files ?? []).map(file =>
    button(file, () => download(fileOf(picture.record, file), `${name}.${file}`)));
  const further = more.filter(([label]) => label).map(([label, made]) => button(label, async () => {
    const [file, blob] = await made();
    save(`${name}.${file}`, blob);
  }));
  return make("section", { class: "downloads", "aria-label": text("download") }, make("h3", {}, text("download")),
    make("div", { class: "row" }, button("JSON", () => save(`${name}.json`, JSON.stringify(view.told ?? view.answer, null, 1))), ...own, ...files, ...further));
}

function button(label, act) {
  const made = make("button", { type: "button", class: "chip", onclick: async () => {
    made.disabled = true;
    try {
      await act();
    } catch (error) {
      complain(error);
    }
    made.disabled = false;
  } }, label);
  return made;
}

function json(view) {
  const pre = make("pre", { tabindex: "0" });
  const details = make("details", { ontoggle: () => {
    if (!details.open) return;
    const words = JSON.stringify(view.told ?? view.answer, null, 1);
    pre.textContent = words.length > MOST ? `${words.slice(0, MOST)}\n${text("cut")}` : words;
  } }, make("summary", {}, "JSON"), pre);
  details.open = view.nodes.length === 0;
  return details;
}

/** Say how far `picture` is: a state, a progress, or why it failed. */
export function showStatus(picture) {
  const place = byId("status");
  const { state: status, record } = picture;
  place.replaceChildren();
  byId("waiting").hidden = Boolean(status);
  if (status !== "succeeded") byId("panel").hidden = true;
  if (!status) return;
  const line = make("div", { class: "row apart" }, state({ status }), times(picture));
  place.append(line);
  if (status === "queued" || status === "running") {
    place.append(make("progress", picture.progress ? { value: picture.progress, "aria-label": text("progress") } : { "aria-label": text("progress") }));
    if (picture.line) place.append(make("p", { class: "hint log" }, picture.line));
  }
  const { message, code } = picture.failure ?? { message: record?.error, code: record?.code };
  if (status !== "failed" || !message) return;
  place.append(make("p", { class: "note bad", role: "alert" }, message));
  if (code) place.append(make("p", { class: "hint" }, explained(code)));
}

function times({ record }) {
  const place = make("span", { class: "hint numbers" });
  if (!record?.finished) return place;
  if (record.started) place.append(text("ran", { wait: duration(record.started - record.created), run: duration(record.finished - record.started) }));
  const jobs = document.querySelector('.bar nav a[href$="jobs"]');
  if (jobs) place.append(" · ", make("a", { href: address(`jobs/${record.id}`) }, text("the_job")));
  return place;
}

/** The record of a job by its id. */
export const recordOf = id => ask(`v1/jobs/${encodeURIComponent(id)}`);
