// The views of answers that need little: a direction, chances of classes, text, and JSON.

import { chances } from "../chances.js";
import { draw, make } from "../dom.js";
import { copy } from "../save.js";
import { number, text } from "../text.js";
import { colour, figures } from "./panel.js";

const round = value => number(Math.round(value * 100) / 100);

/** The direction of an object: an arrow over it. */
export class Direction {
  static fits = answer => typeof answer?.degree === "number" || (answer?.degree === null && "reason" in answer);

  constructor({ answer, stage }) {
    this.answer = answer;
    this.stage = stage;
    const found = answer.degree !== null;
    this.nodes = [
      make("p", { class: "huge numbers" }, found ? `${round(answer.degree)}°` : "–"),
      make("p", { class: "soft" }, found ? text("counter_clockwise") : answer.reason),
      answer.eccentricity < 0.35 ? make("p", { class: "note warn" }, text("round_object")) : null,
      figures([[text("label"), answer.label], [text("score"), answer.score && round(answer.score)],
        [text("area"), answer.area && text("pixels", { n: number(answer.area) })], [text("objects"), answer.count],
        [text("axes"), answer.axes?.map?.(round).join(" × ")]]),
    ].filter(Boolean);
    stage.clear();
    if (found && stage.size && Array.isArray(answer.centroid)) this.arrow();
  }

  arrow() {
    const { width: whole, height: tall } = this.stage.size;
    const { degree, centroid: [x, y], axes = [Math.min(whole, tall) / 2], bbox } = this.answer;
    const svg = this.stage.svg();
    if (bbox) {
      const [left, top, width, height] = bbox;
      svg.append(draw("rect", { x: left, y: top, width, height, class: "bounds" }));
    }
    svg.append(draw("line", { x1: x - axes[0] / 2, y1: y, x2: x + axes[0] / 2, y2: y, class: "level" }));
    const angle = degree * Math.PI / 180;
    const [dx, dy] = [Math.cos(angle), -Math.sin(angle)];
    const half = axes[0] / 2;
    const head = Math.max(whole, tall) / 50;
    svg.append(draw("line", { x1: x - dx * half, y1: y - dy * half, x2: x + dx * half, y2: y + dy * half, class: "arrow" }));
    for (const end of [1, -1]) {
      const [tx, ty] = [x + end * dx * half, y + end * dy * half];
      const barbs = [1, -1].map(side => [tx - end * dx * head + side * dy * head * 0.6, ty - end * dy * head - side * dx * head * 0.6]);
      svg.append(draw("polygon", { points: [[tx, ty], ...barbs].join(" "), class: "head" }));
    }
    const tag = make("span", { class: "tag", "aria-hidden": "true" }, `${round(degree)}°`);
    tag.style.setProperty("--colour", colour(0));
    this.stage.place(tag, x, y);
  }
}

/** Objects that were measured: numbered boxes over the picture, and a table. */
export class Measures {
  static fits = answer => Array.isArray(answer?.objects) && answer.objects.every(each => Array.isArray(each?.bbox));

  constructor({ answer, stage }) {
    this.answer = answer;
    this.stage = stage;
    const inMillimetres = answer.objects.some(each => "equivalent_diameter_mm" in each);
    const unit = inMillimetres ? "mm" : "px";
    const head = ["#", text("label"), `${text("size")} ${unit}`, `${text("area")} ${inMillimetres ? "mm²" : "px"}`];
    const rows = answer.objects.map((each, at) => [each.object ?? at, each.label ?? "",
      each[`equivalent_diameter_${unit}`], each[inMillimetres ? "area_mm2" : "area_px"]]);
    this.nodes = [
      make("p", { class: "huge numbers" }, number(answer.count ?? rows.length)),
      make("div", { class: "table measures", tabindex: "0", role: "region", "aria-label": text("objects") }, make("table", {},
        make("thead", {}, make("tr", {}, ...head.map((each, at) => make("th", { class: at === 1 ? "" : "figure", scope: "col" }, each)))),
        make("tbody", {}, ...rows.map(row => make("tr", {}, ...row.map((each, at) =>
          make("td", { class: at === 1 ? "" : "figure" }, typeof each === "number" ? round(each) : each ?? "–"))))))),
    ];
    stage.clear();
    if (stage.size) this.paintBoxes();
  }

  paintBoxes() {
    const svg = this.stage.svg();
    this.answer.objects.forEach(({ object, bbox: [x, y, width, height] }, at) => {
      svg.append(draw("rect", { x, y, width, height, class: "bounds" }));
      const tag = make("span", { class: "tag", "aria-hidden": "true" }, String(object ?? at));
      tag.style.setProperty("--colour", colour(at));
      this.stage.place(tag, x + width / 2, y);
    });
  }
}

/** How likely each class is. */
export class Chances {
  static fits = answer => Array.isArray(answer?.predictions) && answer.predictions.length > 0
    && answer.predictions.every(each => "label" in Object(each) && Number.isFinite(each.probability));

  constructor({ answer, stage }) {
    this.answer = answer;
    stage.clear();
    this.nodes = [chances(answer.predictions)];
  }
}

/** Text, of a picture or of a document's pages. */
export class Text {
  static fits = answer => typeof answer?.text === "string";

  constructor({ answer, stage }) {
    this.answer = answer;
    stage.clear();
    const parts = answer.text.split("\f");
    const several = Array.isArray(answer.pages);
    const failed = several ? answer.pages.filter(each => each?.error) : [];
    this.nodes = [
      make("div", { class: "row apart" },
        make("p", { class: "sum" }, several ? text("pages_read", { n: number(answer.pages.length) }) : text("text")),
        make("button", { type: "button", onclick: () => copy(answer.text) }, text("copy_text"))),
      ...failed.map(each => make("p", { class: "note bad" }, `${text("page_n", { n: each.page })}: ${each.error}`)),
      ...(several ? answer.pages.map((each, at) => make("article", { class: "page" },
        make("h3", {}, text("page_n", { n: each?.page ?? at + 1 })), make("pre", { class: "prose" }, (parts[at] ?? "").trim())))
        : [make("pre", { class: "prose", tabindex: "0" }, answer.text)]),
    ];
  }

  downloads() {
    return [[text("text_file"), "text.txt", () => this.answer.text]];
  }
}

/** Anything else. */
export class Plain {
  constructor({ answer, stage }) {
    this.answer = answer;
    stage.clear();
    this.nodes = [];
  }
}
