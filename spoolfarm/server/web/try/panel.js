// Pieces that the views of answers are made of: sliders, rows of figures, colours.

import { make } from "../dom.js";

/** A slider from 0 to 1 with its value beside it; `moved` is called with each value. */
export function slider(label, value, moved, id) {
  const shown = make("output", { for: id, class: "numbers" }, value.toFixed(2));
  const input = make("input", { type: "range", id, min: 0, max: 1, step: 0.01, value, oninput: () => {
    shown.textContent = Number(input.value).toFixed(2);
    moved(Number(input.value));
  } });
  return make("div", { class: "slider" }, make("label", { for: id }, label), input, shown);
}

/** A box to tick. */
export function check(label, checked, changed) {
  const input = make("input", { type: "checkbox", checked, onchange: () => changed(input.checked) });
  return make("label", { class: "check" }, input, label);
}

/** Names and what they are. */
export function figures(rows) {
  const list = make("dl", { class: "figures" });
  for (const [name, value] of rows) {
    if (value !== null && value !== undefined && value !== "") list.append(make("dt", {}, name), make("dd", {}, String(value)));
  }
  return list;
}

/** Colours that are told apart by most eyes, on light and on dark. */
const COLOURS = ["#e8590c", "#1c7ed6", "#2f9e44", "#c2255c", "#7048e8", "#0c8599", "#e0a800", "#9c36b5", "#66a80f", "#d6336c"];

export const colour = number => COLOURS[number % COLOURS.length];
