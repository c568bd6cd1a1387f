// How likely each class is: a bar for each.

import { make } from "./dom.js";

/** A list of the `predictions` of a model, the likeliest first. */
export function chances(predictions) {
  return make("ol", { class: "chances" }, ...predictions.map(({ label, probability }) => {
    const bar = make("span", { class: "fill" });
    bar.style.width = `${100 * probability}%`;
    return make("li", {}, make("span", { class: "name" }, label), make("span", { class: "track", "aria-hidden": "true" }, bar),
      make("span", { class: "numbers" }, `${(100 * probability).toFixed(1)} %`));
  }));
}
