// A document: its pages one at a time, each with its lines in their places.

import { send } from "../ask.js";
import { make } from "../dom.js";
import { fileOf } from "../jobs/record.js";
import { copy } from "../save.js";
import { text } from "../text.js";
import { fits as hasLines, Lines } from "./lines.js";

/** The file of a result in which every page has its lines. */
const FILE = "document.json";

export const fits = (answer, record) => Array.isArray(answer?.pages) && (record.files ?? []).includes(FILE);

export class Pages {
  constructor({ answer, record, stage, picture }) {
    this.answer = answer;
    this.record = record;
    this.stage = stage;
    this.picture = picture;
    this.views = new Map();
    this.body = make("div", { class: "stack" });
    this.where = make("p", { class: "sum", role: "status" });
    this.steps = [-1, 1].map(step => make("button", { type: "button", class: "quiet step", "aria-label": text(step < 0 ? "page_before" : "page_after"), onclick: () => this.open(this.at + step) }, step < 0 ? "←" : "→"));
    this.nodes = [
      make("div", { class: "row apart" }, make("div", { class: "row" }, this.steps[0], this.where, this.steps[1]),
        make("button", { type: "button", onclick: () => copy(this.words) }, text("copy_text"))),
      this.body,
    ];
    this.ready = this.load();
  }

  async load() {
    const response = await send(fileOf(this.record, FILE));
    this.pages = (await response.json()).pages;
    await this.open(0);
  }

  /** Show the page number `at`, counted from 0. */
  async open(at) {
    this.at = at;
    const page = this.pages[at];
    const alone = this.answer.page_count === 1 && await this.picture?.size;
    await this.stage.show(alone ? this.picture : null, page.width ? page : null);
    this.where.textContent = text("page_of", { n: page.page, all: this.pages.length });
    this.steps.forEach((button, side) => button.disabled = side ? at === this.pages.length - 1 : at === 0);
    if (!hasLines(page)) {
      this.body.replaceChildren(make("p", { class: "note bad" }, page.error ?? text("state_failed")));
    } else if (this.views.has(at)) {
      this.views.get(at).paint();
      this.body.replaceChildren(...this.views.get(at).nodes.slice(1));
    } else {
      this.views.set(at, new Lines({ answer: page, stage: this.stage, score: null }));
      this.body.replaceChildren(...this.views.get(at).nodes.slice(1));
    }
  }

  /** Paint the page that was open, for a stage that has shown another picture meanwhile. */
  paint() {
    return this.open(this.at);
  }

  /** The text of all pages, with what was corrected. */
  get words() {
    return this.pages.map((page, at) => this.views.get(at)?.words ?? page.text ?? "").join("\n\f");
  }

  get told() {
    return { ...this.answer, text: this.words };
  }

  downloads() {
    return [[text("text_file"), "text.txt", () => this.words]];
  }
}
