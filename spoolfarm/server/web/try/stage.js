// The stage: the picture, and over it the layers of an answer, placed in parts of its width and height.

import { draw, make } from "../dom.js";
import { text } from "../text.js";

export class Stage {
  constructor(frame) {
    this.frame = frame;
    this.layer = make("div", { class: "layer" });
    this.image = null;
  }

  /** Show `picture`. What the browser cannot show is told by its name, or, with the `size` of an answer, as a sheet. */
  async show(picture, size = null) {
    const own = picture ? await picture.size : null;
    this.size = own ?? size;
    this.clear();
    this.frame.style.maxWidth = this.frame.style.aspectRatio = "";
    if (own) {
      this.image = make("img", { src: picture.url, alt: picture.name });
      this.frame.replaceChildren(this.image, this.layer);
    } else if (size) {
      this.image = null;
      this.frame.replaceChildren(make("div", { class: "sheet" }), this.layer);
    } else {
      this.image = null;
      const kind = picture?.name.split(".").pop().toUpperCase().slice(0, 5) ?? "?";
      this.frame.replaceChildren(make("div", { class: "file" }, make("strong", {}, kind),
        make("p", {}, picture ? text("no_preview") : text("not_kept"))));
    }
    this.frame.classList.toggle("plain", !this.size);
    if (this.size) this.fit(this.size);
  }

  /** What places are parts of; without a size nothing of it is seen. */
  get extent() {
    return this.size ?? { width: 1, height: 1 };
  }

  /** Give the frame the shape of a picture of this size; small ones are enlarged up to four times. */
  fit({ width, height }) {
    this.frame.style.aspectRatio = `${width} / ${height}`;
    this.frame.style.maxWidth = `min(100%, ${width * 4}px, calc(72vh * ${width / height}))`;
  }

  /** Take the layers of the last answer away. */
  clear() {
    this.layer.replaceChildren();
  }

  /** Add a canvas as large as the picture, 2000 pixels at most, and how much smaller it is. */
  canvas() {
    const scale = Math.min(1, 2000 / Math.max(this.extent.width, this.extent.height));
    const [width, height] = [Math.round(this.extent.width * scale), Math.round(this.extent.height * scale)];
    const made = make("canvas", { width, height, "aria-hidden": "true" });
    this.layer.append(made);
    return { context: made.getContext("2d"), scale };
  }

  /** Add an SVG whose unit is a pixel of the picture. */
  svg() {
    const made = draw("svg", { viewBox: `0 0 ${this.extent.width} ${this.extent.height}`, "aria-hidden": "true" });
    this.layer.append(made);
    return made;
  }

  /** Put `node` at pixel x, y of the picture. */
  place(node, x, y, width = null, height = null) {
    node.style.left = `${100 * x / this.extent.width}%`;
    node.style.top = `${100 * y / this.extent.height}%`;
    if (width !== null) node.style.width = `${100 * width / this.extent.width}%`;
    if (height !== null) node.style.height = `${100 * height / this.extent.height}%`;
    this.layer.append(node);
    return node;
  }

  /** The picture with what `over(context, scale)` draws, as the blob of a PNG. */
  async png(over) {
    const scale = Math.min(1, 4096 / Math.max(this.extent.width, this.extent.height));
    const canvas = new OffscreenCanvas(Math.round(this.extent.width * scale), Math.round(this.extent.height * scale));
    const context = canvas.getContext("2d");
    context.fillStyle = "#fff";
    context.fillRect(0, 0, canvas.width, canvas.height);
    if (this.image) context.drawImage(this.image, 0, 0, canvas.width, canvas.height);
    context.scale(scale, scale);
    over(context, scale);
    return canvas.convertToBlob({ type: "image/png" });
  }
}
