// Text that was read: boxes over the picture whose text can be selected and corrected, and the same as a list.

import { byId, make } from "../dom.js";
import { copy } from "../save.js";
import { number, text } from "../text.js";
import { slider } from "./panel.js";

/** Below this score a line is marked as doubtful. */
const DOUBTFUL = 0.8;

export const fits = answer => Array.isArray(answer?.lines) && answer.lines.every(each =>
  typeof each?.text === "string" && Number.isFinite(each.score) && ["cx", "cy", "w", "h"].every(name => Number.isFinite(each.box?.[name])));

export class Lines {
  constructor({ answer, stage, score }) {
    this.answer = answer;
    this.stage = stage;
    this.score = score ?? 0;
    this.lines = answer.lines.map(line => ({ ...line }));
    this.list = make("ol", { class: "lines" });
    this.count = make("p", { class: "sum", role: "status" });
    this.nodes = [
      make("div", { class: "row apart" }, this.count,
        make("button", { type: "button", onclick: () => copy(this.words) }, text("copy_text"))),
      score === null ? null : slider(text("score_at_least"), this.score, value => {
        this.score = value;
        this.paint();
      }, "score"),
      ...(answer.warnings ?? []).map(words => make("p", { class: "note warn" }, words)),
      this.list,
      make("p", { class: "hint" }, text("correct_hint")),
    ].filter(Boolean);
    this.paint();
  }

  get shown() {
    return this.lines.filter(line => line.score >= this.score);
  }

  /** The text as it stands now: a tab between the parts of a row. */
  get words() {
    let words = "";
    let before = null;
    for (const line of this.shown) {
      const together = before && line.row !== undefined && line.row === before.row && line.block === before.block;
      words += (before ? together ? "\t" : "\n" : "") + line.text;
      before = line;
    }
    return words;
  }

  paint() {
    this.stage.clear();
    for (const line of this.shown) this.box(line);
    this.list.replaceChildren(...this.shown.map(line => this.row(line)));
    const all = this.lines.length;
    this.count.textContent = text("lines_of", { n: number(this.shown.length), all: number(all) });
  }

  box(line) {
    const { cx, cy, w, h, angle = 0 } = line.box;
    const words = make("span", {}, line.text);
    const box = make("div", { class: `line ${this.kind(line)}`, title: `${line.text} · ${line.score.toFixed(2)}` }, words);
    this.stage.place(box, cx - w / 2, cy - h / 2, w, h);
    box.style.transform = `rotate(${angle}deg)`;
    box.style.fontSize = `calc(${0.78 * h / this.stage.extent.height} * 100cqh)`;
    // The text is as wide as its box, so that a selection covers what is seen.
    const wide = words.getBoundingClientRect().width;
    const whole = box.offsetWidth;
    if (wide && whole && !angle) words.style.transform = `scaleX(${whole / wide})`;
    box.addEventListener("click", () => {
      if (getSelection().isCollapsed) this.correct(line, box);
    });
    box.addEventListener("mouseenter", () => this.light(line, true));
    box.addEventListener("mouseleave", () => this.light(line, false));
    line.marked = box;
  }

  kind(line) {
    return line.corrected ? "corrected" : line.score < DOUBTFUL ? "doubtful" : "";
  }

  row(line) {
    const button = make("button", { type: "button", class: `quiet ${this.kind(line)}`, title: text("correct") }, line.text);
    button.addEventListener("click", () => this.correct(line, row));
    const row = make("li", {}, button, make("span", { class: "numbers soft" }, line.score.toFixed(2)));
    for (const [name, on] of [["mouseenter", true], ["focusin", true], ["mouseleave", false], ["focusout", false]]) {
      row.addEventListener(name, () => this.light(line, on));
    }
    line.listed = row;
    return row;
  }

  light(line, on) {
    line.marked?.classList.toggle("lit", on);
    line.listed?.classList.toggle("lit", on);
  }

  /** Let the text of `line` be written anew, at its box or in its row. */
  correct(line, place) {
    byId("correcting")?.remove();
    const input = make("input", { id: "correcting", type: "text", value: line.text, spellcheck: "false", "aria-label": text("correct") });
    let done = false;
    const end = keeps => {
      if (done) return;
      done = true;
      const changed = keeps && input.value !== line.text;
      if (changed) Object.assign(line, { text: input.value, corrected: true });
      input.remove();
      if (changed) this.paint();
      line.listed?.querySelector("button")?.focus({ preventScroll: true });
    };
    input.addEventListener("keydown", event => {
      event.stopPropagation();
      if (event.key === "Enter") event.preventDefault();
      if (event.key === "Enter" || event.key === "Escape") end(event.key === "Enter");
    });
    input.addEventListener("blur", () => end(true));
    input.addEventListener("click", event => event.stopPropagation());
    if (place === line.marked) {
      const { cx, cy, w, h } = line.box;
      this.stage.place(input, cx - w / 2, cy + h / 2);
    } else place.append(input);
    input.focus();
    input.select();
  }

  over(context) {
    context.lineWidth = Math.max(1.5, Math.max(this.stage.extent.width, this.stage.extent.height) / 600);
    context.strokeStyle = "#1c7ed6";
    for (const { poly, box } of this.shown) {
      context.beginPath();
      const corners = poly ?? [[box.cx - box.w / 2, box.cy - box.h / 2], [box.cx + box.w / 2, box.cy - box.h / 2],
        [box.cx + box.w / 2, box.cy + box.h / 2], [box.cx - box.w / 2, box.cy + box.h / 2]];
      corners.forEach(([x, y], at) => at ? context.lineTo(x, y) : context.moveTo(x, y));
      context.closePath();
      context.stroke();
    }
  }

  get told() {
    const lines = this.shown.map(({ marked, listed, corrected, ...line }) => corrected ? { ...line, corrected } : line);
    return { ...this.answer, text: this.words, lines };
  }

  get tsv() {
    const rows = this.shown.map(({ text: words, score, box }) =>
      [words.replace(/\s+/g, " "), score, box.cx, box.cy, box.w, box.h, box.angle].join("\t"));
    return ["text\tscore\tcx\tcy\tw\th\tangle", ...rows].join("\n") + "\n";
  }

  downloads() {
    return [
      [text("text_file"), "text.txt", () => `${this.words}\n`],
      ["TSV", "lines.tsv", () => this.tsv],
      [text("overlay_png"), "overlay.png", () => this.stage.png(context => this.over(context))],
    ];
  }
}
