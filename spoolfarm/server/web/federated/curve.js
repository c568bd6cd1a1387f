// The curve of one training: accuracy on the left scale, loss on the right one.

import { fit, onTheme, style } from "../plot.js";
import { number, text } from "../text.js";
import { figure } from "./figures.js";

const HEIGHT = 240;

export class Curve {
  /** In `place`, as wide as that is. */
  constructor(place) {
    this.place = place;
    this.curves = null;
    onTheme(() => this.curves && this.draw());
    fit(place, () => this.plot);
  }

  /** Show { rounds, accuracies, losses }; nothing without a round. */
  show(curves) {
    const said = JSON.stringify([curves.rounds, curves.accuracies, curves.losses]);
    if (said === this.said) return;
    this.said = said;
    this.curves = curves;
    this.place.hidden = !curves.rounds.length;
    const data = [curves.rounds, curves.accuracies, curves.losses];
    if (this.plot && curves.rounds.length) this.plot.setData(data);
    else this.draw();
    const last = curves.rounds.length - 1;
    if (last >= 0) this.place.setAttribute("aria-label", text("curve_says", { round: number(curves.rounds[last]), accuracy: figure(curves.accuracies[last]), loss: figure(curves.losses[last]) }));
  }

  draw() {
    this.plot?.destroy();
    this.plot = null;
    const { rounds, accuracies, losses } = this.curves;
    if (!rounds.length) return;
    const { paint, axis } = style(this.place);
    const line = (name, scale, colour) => ({ label: text(name), scale, stroke: paint(colour), width: 2, spanGaps: true,
      points: { show: rounds.length < 60, size: 5 }, value: (_, value) => figure(value) });
    const marks = (_, values) => values.map(value => figure(value));
    this.plot = new window.uPlot({
      width: this.place.clientWidth,
      height: HEIGHT,
      cursor: { y: false, points: { size: 7 } },
      scales: { x: { time: false }, accuracy: { range: (_, low, high) => [Math.min(0, low), Math.max(1, high)] }, loss: { range: (_, low, high) => [Math.min(0, low), high * 1.05 || 1] } },
      axes: [
        { ...axis, size: 30, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000], values: (_, values) => values.map(value => number(value)) },
        { ...axis, scale: "accuracy", stroke: paint("--c1"), size: 48, values: marks },
        { ...axis, scale: "loss", side: 1, stroke: paint("--c3"), size: 56, grid: { show: false }, values: marks },
      ],
      series: [{ label: text("round"), value: (_, value) => figure(value) }, line("accuracy", "accuracy", "--c1"), line("loss", "loss", "--c3")],
    }, [rounds, accuracies, losses], this.place);
  }
}
