// Objects: masks over the picture, filtered by score and class without asking the farm again.

import { draw, make } from "../dom.js";
import { number, text } from "../text.js";
import { check, colour, slider } from "./panel.js";
import { crop } from "./rle.js";

/** Pixels of the longer side in which masks are drawn. */
const FINEST = 2000;
/** The most objects that the list shows. */
const LISTED = 200;

export const fits = answer => Array.isArray(answer?.masks) && answer.masks.every(each =>
  typeof each?.mask_rle?.counts === "string" && Array.isArray(each.mask_rle.size) && Array.isArray(each.bbox) && Number.isFinite(each.score));

export class Masks {
  constructor({ answer, stage, score }) {
    this.answer = answer;
    this.stage = stage;
    this.score = score ?? 0;
    this.opacity = 0.45;
    this.named = true;
    this.axes = false;
    this.without = new Set();
    this.labels = [...new Set(answer.masks.map(each => each.label))];
    this.objects = answer.masks.map((mask, at) => this.object(mask, at));
    this.list = make("ul", { class: "objects" });
    this.count = make("p", { class: "sum", role: "status" });
    this.nodes = [
      this.count,
      slider(text("score_at_least"), this.score, value => this.set({ score: value }), "score"),
      slider(text("opacity"), this.opacity, value => this.set({ opacity: value }), "opacity"),
      make("div", { class: "row" },
        check(text("names"), this.named, on => this.set({ named: on })),
        check(text("axes"), this.axes, on => this.set({ axes: on }))),
      this.labels.length > 1 ? this.classes() : null,
      this.list,
    ].filter(Boolean);
    this.paintNow();
  }

  object(mask, at) {
    const { counts, size } = mask.mask_rle;
    const text = this.answer.counts_encoding === "ascii" ? counts : atob(counts);
    const by = this.labels.length > 1 ? this.labels.indexOf(mask.label) : at;
    return { mask, at, text, size, colour: colour(by) };
  }

  classes() {
    const boxes = this.labels.map(label => make("div", { class: "row apart" },
      check(label, true, on => {
        if (on) this.without.delete(label);
        else this.without.add(label);
        this.paint();
      }),
      make("span", { class: "soft numbers" }, String(this.answer.masks.filter(each => each.label === label).length))));
    return make("fieldset", { class: "classes" }, make("legend", {}, text("classes")), ...boxes);
  }

  set(given) {
    Object.assign(this, given);
    this.paint();
  }

  /** The objects that are sure enough and of a class that is shown. */
  get shown() {
    return this.objects.filter(({ mask }) => mask.score >= this.score && !this.without.has(mask.label));
  }

  paint() {
    cancelAnimationFrame(this.next);
    this.next = requestAnimationFrame(() => this.paintNow());
  }

  paintNow() {
    const shown = this.shown;
    this.stage.clear();
    const { context, scale } = this.stage.canvas();
    context.scale(scale, scale);
    for (const object of [...shown].reverse()) this.fill(context, object);
    const svg = this.stage.svg();
    for (const object of shown) this.mark(svg, object);
    this.count.textContent = text("objects_of", { n: number(shown.length), all: number(this.objects.length) });
    this.list.replaceChildren(...shown.slice(0, LISTED).map(object => this.row(object)));
  }

  fill(context, object, opacity = this.opacity) {
    const drawn = this.picture(object);
    if (!drawn) return;
    const { left, top, width, height } = drawn;
    context.imageSmoothingEnabled = false;
    context.globalAlpha = object === this.lit ? Math.min(1, opacity + 0.3) : opacity;
    context.drawImage(drawn.fill, left, top, width, height);
    context.globalAlpha = 1;
    context.drawImage(drawn.edge, left, top, width, height);
  }

  /** The mask as two canvases, made once: its area, and its edge; of a large picture in every other pixel, or fewer. */
  picture(object) {
    if (object.drawn !== undefined) return object.drawn;
    const found = crop(object.text, object.size);
    if (!found) return (object.drawn = null);
    const { left, top, width, height, bits } = found;
    const step = Math.ceil(Math.max(...object.size) / FINEST);
    const [columns, rows] = [Math.ceil(width / step), Math.ceil(height / step)];
    const isOn = (x, y) => x >= 0 && y >= 0 && x < columns && y < rows && bits[y * step * width + x * step];
    const near = Math.max(1, Math.round(Math.max(...object.size) / step / 500));
    const isEdge = (x, y) => !(isOn(x - near, y) && isOn(x + near, y) && isOn(x, y - near) && isOn(x, y + near));
    const paint = [1, 3, 5].map(from => parseInt(object.colour.slice(from, from + 2), 16));
    const [fill, edge] = [() => true, isEdge].map(wanted => {
      const canvas = new OffscreenCanvas(columns, rows);
      const context = canvas.getContext("2d");
      const pixels = context.createImageData(columns, rows);
      for (let y = 0; y < rows; y++) {
        for (let x = 0; x < columns; x++) {
          if (isOn(x, y) && wanted(x, y)) pixels.data.set([...paint, 255], 4 * (y * columns + x));
        }
      }
      context.putImageData(pixels, 0, 0);
      return canvas;
    });
    return (object.drawn = { left, top, width: columns * step, height: rows * step, fill, edge });
  }

  mark(svg, object) {
    const { mask } = object;
    const [x, y, width] = mask.bbox;
    if (this.axes && mask.centroid && mask.axes) {
      for (const [index, turn] of [[0, 0], [1, 90]]) {
        const angle = (mask.degree + turn) * Math.PI / 180;
        const [dx, dy] = [Math.cos(angle), -Math.sin(angle)].map(part => part * mask.axes[index] / 2);
        const [cx, cy] = mask.centroid;
        svg.append(draw("line", { x1: cx - dx, y1: cy - dy, x2: cx + dx, y2: cy + dy, class: index ? "axis short" : "axis" }));
      }
    }
    if (this.named) {
      const name = make("span", { class: "tag", "aria-hidden": "true" }, `${mask.label} ${mask.score.toFixed(2)}`);
      name.style.setProperty("--colour", object.colour);
      this.stage.place(name, x + width / 2, Math.max(0, y));
    }
  }

  row(object) {
    const { mask } = object;
    const light = on => {
      if ((this.lit === object) === on) return;
      this.lit = on ? object : null;
      const context = this.stage.layer.querySelector("canvas").getContext("2d");
      context.save();
      context.setTransform(1, 0, 0, 1, 0, 0);
      context.clearRect(0, 0, context.canvas.width, context.canvas.height);
      context.restore();
      for (const each of [...this.shown].reverse()) this.fill(context, each, on ? this.opacity * 0.4 : this.opacity);
    };
    const swatch = make("i", { class: "swatch" });
    swatch.style.background = object.colour;
    return make("li", { tabindex: "0", onmouseenter: () => light(true), onmouseleave: () => light(false), onfocus: () => light(true), onblur: () => light(false) },
      swatch, make("span", { class: "grow" }, mask.label),
      Number.isFinite(mask.degree) ? make("span", { class: "numbers soft" }, `${number(Math.round(mask.degree * 10) / 10)}°`) : null,
      make("span", { class: "numbers" }, mask.score.toFixed(2)));
  }

  /** What is drawn into a picture of it all. */
  over(context) {
    for (const object of [...this.shown].reverse()) this.fill(context, object);
    const size = Math.max(12, Math.max(this.stage.extent.width, this.stage.extent.height) / 60);
    context.font = `600 ${size}px system-ui, sans-serif`;
    context.textBaseline = "top";
    for (const { mask, colour } of this.named ? this.shown : []) {
      const words = `${mask.label} ${mask.score.toFixed(2)}`;
      const [x, y, width] = mask.bbox;
      const left = x + width / 2 - context.measureText(words).width / 2;
      context.fillStyle = colour;
      context.fillRect(left - size / 3, y, context.measureText(words).width + size / 1.5, size * 1.4);
      context.fillStyle = "#fff";
      context.fillText(words, left, y + size * 0.2);
    }
  }

  /** The answer with what is shown alone. */
  get told() {
    const masks = this.shown.map(object => object.mask);
    return { ...this.answer, count: masks.length, masks };
  }

  /** A COCO data set of this one picture. */
  coco(name) {
    const { width, height } = this.answer.image ?? this.stage.extent;
    const categories = [...new Map(this.answer.masks.map(each => [each.category_id, each.label]))]
      .map(([id, label]) => ({ id, name: label }));
    const annotations = this.shown.map(({ mask, text: counts, size }, at) => ({
      id: at + 1, image_id: 1, category_id: mask.category_id, segmentation: { size, counts }, bbox: mask.bbox,
      area: mask.area, iscrowd: 0, score: mask.score,
    }));
    return { images: [{ id: 1, file_name: name, width, height }], categories, annotations };
  }

  downloads(name) {
    return [
      ["COCO", "coco.json", () => JSON.stringify(this.coco(name))],
      [text("overlay_png"), "overlay.png", () => this.stage.png(context => this.over(context))],
    ];
  }
}
