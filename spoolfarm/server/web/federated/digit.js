// A pad to draw a digit on, white on black. The drawing is cut out and centred, as the digits of the data set are.
"use strict";

class Pad {
  constructor(canvas, drawn) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d", { willReadFrequently: true });
    this.drawing = false;
    canvas.addEventListener("pointerdown", event => {
      canvas.setPointerCapture(event.pointerId);
      this.drawing = true;
      this.context.beginPath();
      this.context.moveTo(...this.place(event));
      this.stroke(event);
    });
    canvas.addEventListener("pointermove", event => this.drawing && this.stroke(event));
    for (const end of ["pointerup", "pointercancel"])
      canvas.addEventListener(end, () => {
        if (this.drawing) drawn();
        this.drawing = false;
      });
    this.clear();
  }

  place(event) {
    const box = this.canvas.getBoundingClientRect();
    const scale = this.canvas.width / box.width;
    return [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
  }

  stroke(event) {
    Object.assign(this.context, { lineWidth: 30, lineCap: "round", lineJoin: "round", strokeStyle: "#fff" });
    this.context.lineTo(...this.place(event));
    this.context.stroke();
  }

  clear() {
    this.context.fillStyle = "#000";
    this.context.fillRect(0, 0, this.canvas.width, this.canvas.height);
  }

  /** The ink in the middle of a square that it fills from top to bottom, or from side to side; null without ink. */
  picture(side = 128) {
    const { width, height } = this.canvas;
    const pixels = this.context.getImageData(0, 0, width, height).data;
    let [left, top, right, bottom] = [width, height, -1, -1];
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++)
        if (pixels[4 * (y * width + x)] > 60)
          [left, top, right, bottom] = [Math.min(left, x), Math.min(top, y), Math.max(right, x), Math.max(bottom, y)];
    if (right < 0) return null;
    const [w, h] = [right - left + 1, bottom - top + 1];
    const scale = side / Math.max(w, h);
    const cut = document.createElement("canvas");
    cut.width = cut.height = side;
    const context = cut.getContext("2d");
    context.fillRect(0, 0, side, side);
    const [x, y] = [(side - w * scale) / 2, (side - h * scale) / 2];
    context.drawImage(this.canvas, left, top, w, h, x, y, w * scale, h * scale);
    return cut.toDataURL("image/png");
  }
}
