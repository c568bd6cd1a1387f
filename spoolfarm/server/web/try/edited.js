// Pictures that came of a picture: before and after with a slider between them, or all of them side by side.

import { objectUrl } from "../ask.js";
import { make } from "../dom.js";
import { fileOf } from "../jobs/record.js";
import { text } from "../text.js";

const PICTURES = /\.(png|jpe?g|webp|bmp|gif)$/i;
/** How much the shapes of two pictures may differ for one to lie over the other. */
const SHAPE = 0.02;

/** The files of a record that a browser can show. */
export const shown = record => (record.files ?? []).filter(name => PICTURES.test(name));

export const fits = (answer, record) => shown(record).length > 0;

export class Edited {
  constructor({ answer, record, stage, picture }) {
    this.answer = answer;
    this.record = record;
    this.stage = stage;
    this.nodes = [];
    stage.clear();
    this.ready = this.show(picture);
  }

  async show(picture) {
    const names = shown(this.record);
    const urls = await Promise.all(names.map(name => objectUrl(fileOf(this.record, name))));
    const images = await Promise.all(urls.map(loaded));
    const before = await picture?.size;
    const [after] = images;
    const alike = before && Math.abs(before.width / before.height * after.naturalHeight / after.naturalWidth - 1) < SHAPE;
    if (images.length === 1 && alike) this.compare(after);
    else this.gallery(names, images);
    this.nodes.push(make("ul", { class: "made" }, ...images.map((image, at) =>
      make("li", {}, make("span", { class: "grow" }, names[at]), make("span", { class: "soft numbers" }, `${image.naturalWidth} × ${image.naturalHeight}`)))));
  }

  compare(after) {
    after.className = "after";
    const input = make("input", { type: "range", class: "wipe", min: 0, max: 100, value: 50, "aria-label": text("before_after"), oninput: () => {
      this.stage.layer.style.setProperty("--at", `${input.value}%`);
    } });
    this.stage.layer.style.setProperty("--at", "50%");
    this.stage.layer.append(after, make("i", { class: "seam" }), make("span", { class: "corner left" }, text("before")),
      make("span", { class: "corner right" }, text("after")), input);
  }

  gallery(names, images) {
    this.nodes.push(make("div", { class: "gallery" }, ...images.map((image, at) => {
      image.alt = names[at];
      return make("a", { href: image.src, target: "_blank", rel: "noopener" }, image);
    })));
  }
}

function loaded(url) {
  return new Promise((resolve, reject) => {
    const image = new Image();
    image.addEventListener("load", () => resolve(image));
    image.addEventListener("error", () => reject(new Error(text("no_preview"))));
    image.src = url;
    image.alt = "";
  });
}
