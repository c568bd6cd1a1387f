// A pad to draw on, white on black, by pointer or by keyboard. The drawing is cut out and centred, as digits of data sets are.

/** Pixels a side, the width of a stroke, and how far an arrow key moves the pen. */
const SIDE = 280;
const WIDTH = 30;
const STEP = 10;
/** Milliseconds after which a drawing that has rested is whole. */
const REST = 400;
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class Pad {
  /** `drawn` is called after each stroke, `cleared` when all is wiped off. */
  constructor(canvas, pen, drawn, cleared) {
    Object.assign(this, { canvas, pen, drawn, cleared, down: false, at: [SIDE / 2, SIDE / 4] });
    this.context = canvas.getContext("2d", { willReadFrequently: true });
    canvas.addEventListener("pointerdown", event => {
      canvas.setPointerCapture(event.pointerId);
      this.drawing = true;
      this.lift();
      this.move(this.placeOf(event), false);
      this.move(this.at, true);
    });
    canvas.addEventListener("pointermove", event => this.drawing && this.move(this.placeOf(event), true));
    for (const end of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(end, () => {
        if (this.drawing) drawn();
        this.drawing = false;
      });
    }
    canvas.addEventListener("keydown", event => this.press(event));
    canvas.addEventListener("focus", () => this.showPen());
    canvas.addEventListener("blur", () => { pen.hidden = true; });
    this.wipe();
  }

  /** Arrows move the pen, Space lowers and lifts it, Delete wipes all off. */
  press(event) {
    const step = ARROWS[event.key];
    if (step) {
      const far = event.shiftKey ? 3 * STEP : STEP;
      this.move(this.at.map((each, axis) => Math.min(SIDE, Math.max(0, each + far * step[axis]))), this.down);
      if (this.down) this.rest();
    } else if (event.key === " ") {
      this.down = !this.down;
      if (this.down) this.move(this.at, true);
      else this.drawn();
    } else if (event.key === "Delete" || event.key === "Backspace") {
      this.clear();
    } else if (event.key === "Enter") {
      this.drawn();
    } else {
      return;
    }
    event.preventDefault();
    this.showPen();
  }

  rest() {
    clearTimeout(this.resting);
    this.resting = setTimeout(this.drawn, REST);
  }

  lift() {
    this.down = false;
    this.pen.hidden = true;
  }

  showPen() {
    this.pen.hidden = this.drawing ?? false;
    this.pen.classList.toggle("down", this.down);
    this.pen.style.left = `${100 * this.at[0] / SIDE}%`;
    this.pen.style.top = `${100 * this.at[1] / SIDE}%`;
  }

  placeOf(event) {
    const box = this.canvas.getBoundingClientRect();
    return [(event.clientX - box.left) * SIDE / box.width, (event.clientY - box.top) * SIDE / box.height];
  }

  move(place, inked) {
    if (inked) {
      Object.assign(this.context, { lineWidth: WIDTH, lineCap: "round", lineJoin: "round", strokeStyle: "#fff" });
      this.context.beginPath();
      this.context.moveTo(...this.at);
      this.context.lineTo(...place);
      this.context.stroke();
    }
    this.at = place;
  }

  wipe() {
    clearTimeout(this.resting);
    this.context.fillStyle = "#000";
    this.context.fillRect(0, 0, SIDE, SIDE);
  }

  clear() {
    this.wipe();
    this.down = false;
    this.cleared();
  }

  /** Show a picture in place of a drawing. */
  show(picture) {
    this.wipe();
    const scale = Math.min(SIDE / picture.width, SIDE / picture.height);
    const [width, height] = [picture.width * scale, picture.height * scale];
    this.context.drawImage(picture, (SIDE - width) / 2, (SIDE - height) / 2, width, height);
  }

  /** The ink in the middle of a square that it fills from top to bottom, or from side to side; null without ink. */
  picture(side = 128) {
    const { data } = this.context.getImageData(0, 0, SIDE, SIDE);
    let [left, top, right, bottom] = [SIDE, SIDE, -1, -1];
    for (let y = 0; y < SIDE; y++) {
      for (let x = 0; x < SIDE; x++) {
        if (data[4 * (y * SIDE + x)] > 60) [left, top, right, bottom] = [Math.min(left, x), Math.min(top, y), Math.max(right, x), Math.max(bottom, y)];
      }
    }
    if (right < 0) return null;
    const [width, height] = [right - left + 1, bottom - top + 1];
    const scale = side / Math.max(width, height);
    const cut = document.createElement("canvas");
    cut.width = cut.height = side;
    const context = cut.getContext("2d");
    context.fillRect(0, 0, side, side);
    context.drawImage(this.canvas, left, top, width, height, (side - width * scale) / 2, (side - height * scale) / 2, width * scale, height * scale);
    return cut.toDataURL("image/png");
  }
}
