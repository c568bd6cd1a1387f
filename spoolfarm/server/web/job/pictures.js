// The pictures that a job was sent and those that came of it, with what was found in them drawn over the first.

import { send } from "../ask.js";
import { byId, draw, make } from "../dom.js";
import { fileOf, hasEnded } from "../jobs/record.js";
import { complain } from "../messages.js";
import { download } from "../save.js";
import { number, text } from "../text.js";

/** The longer side of a preview, pictures that are shown, and things that are drawn over one, at most. */
const SIDE = 1200;
const MOST = 24;
const DRAWN = 500;
/** What a browser shows by itself. */
const SHOWABLE = /\.(png|jpe?g|webp|gif|avif)$/i;

export class Pictures {
  constructor(id) {
    this.id = id;
    this.place = byId("pictures");
    this.shown = new Set();
    /** The first picture that came of it: what was sent stands before it. */
    this.outputs = null;
    byId("overlay").addEventListener("change", event => this.place.classList.toggle("bare", !event.target.checked));
  }

  /** Show what the job was sent. */
  take(inputs, record) {
    this.first = null;
    byId("pictures-card").hidden = inputs.kept && !inputs.pictures.length && !record.files?.length && hasEnded(record);
    if (!inputs.kept) this.note(text("not_kept"));
    else if (!inputs.pictures.length) this.note(text("no_pictures"));
    for (const [index, picture] of inputs.pictures.slice(0, MOST).entries()) {
      this.input(index, picture, inputs.pictures.length, record).catch(complain);
    }
  }

  /** Show what came of it, once it is there. */
  show(record) {
    this.record = record;
    for (const name of (record.files ?? []).slice(0, MOST)) {
      if (this.shown.has(name)) continue;
      this.shown.add(name);
      this.output(name).catch(complain);
    }
    this.draw();
  }

  note(words) {
    this.place.prepend(make("p", { class: "soft" }, words));
  }

  async input(index, { bytes, type, width, height }, count, record) {
    const label = [text("picture_in"), count > 1 ? number(index + 1) : "", type.replace(/^image\//, "").toUpperCase(),
      width ? `${number(width)} × ${number(height)}` : "", size(bytes)].filter(Boolean).join(" · ");
    const name = record.name && count === 1 ? record.name : `${this.id}-${index}.${type.split("/").pop()}`;
    const frame = make("div", { class: "frame" });
    this.place.insertBefore(this.figure(frame, label, `v1/jobs/${this.id}/pictures/${index}`, name), this.outputs);
    if (record.status === "failed" && count === 1) frame.parentNode.append(make("p", { class: "hint killer" }, text("killer")));
    const response = await send(`v1/jobs/${this.id}/pictures/${index}/preview?side=${SIDE}`);
    if (response.status !== 200) {
      frame.append(make("p", { class: "soft" }, text(type === "application/pdf" ? "no_preview_pdf" : "no_preview")));
      return;
    }
    const image = await this.image(frame, await response.blob(), record.name || text("picture_number", { n: index + 1 }));
    if (index === 0) {
      this.first = { frame, image };
      this.draw();
    }
  }

  async output(name) {
    const path = fileOf(this.record, name);
    const frame = make("div", { class: "frame" });
    const figure = this.figure(frame, `${text("picture_out")} · ${name}`, path, name);
    this.place.append(figure);
    this.outputs ??= figure;
    if (!SHOWABLE.test(name)) {
      figure.classList.add("plain");
      return;
    }
    await this.image(frame, await (await send(path)).blob(), name);
  }

  figure(frame, label, path, name) {
    const button = make("button", { type: "button", class: "quiet", "aria-label": `${text("download")} ${name}`, onclick: () =>
      download(path, name).catch(complain) }, text("download"));
    return make("figure", {}, frame, make("figcaption", { class: "row apart soft" }, make("span", {}, label), button));
  }

  async image(frame, blob, alt) {
    const image = make("img", { src: URL.createObjectURL(blob), alt });
    await image.decode().catch(() => {});
    frame.append(image);
    return image;
  }

  /** Draw what was found over the first picture: the lines of a page, or objects. */
  draw() {
    const found = this.record?.result;
    const { width, height } = found?.image ?? found ?? {};
    const shapes = outlines(found);
    if (!this.first || !shapes.length || !width || this.drawn) return;
    this.drawn = true;
    const layer = draw("svg", { viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true", class: "overlay" });
    for (const { points, title } of shapes.slice(0, DRAWN)) {
      const shape = draw("polygon", { points: points.map(point => point.join(",")).join(" ") });
      const told = draw("title");
      told.textContent = title;
      shape.append(told);
      layer.append(shape);
    }
    this.first.frame.append(layer);
    byId("overlay-choice").hidden = false;
  }
}

/** What a result says was found, as polygons in pixels of the picture. */
function outlines(result) {
  if (Array.isArray(result?.lines)) {
    return result.lines.filter(line => Array.isArray(line?.poly) && line.poly.every(Array.isArray))
      .map(line => ({ points: line.poly, title: line.text }));
  }
  if (!Array.isArray(result?.masks)) return [];
  return result.masks.filter(mask => Array.isArray(mask?.bbox)).map(({ bbox: [x, y, w, h], label, score }) => (
    { points: [[x, y], [x + w, y], [x + w, y + h], [x, y + h]], title: [label, score && number(score)].filter(Boolean).join(" ") }));
}

function size(bytes) {
  if (bytes < 1024) return `${bytes} B`;
  return bytes < 1048576 ? `${number(Math.round(bytes / 1024))} KB` : `${number(Math.round(bytes / 104857.6) / 10)} MB`;
}
