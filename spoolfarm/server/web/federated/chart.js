// Draws accuracies and losses by round as an SVG.
"use strict";

const SVG = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [480, 200, 34, 40, 22, 24];

function element(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

/** Show {rounds, accuracies, losses} in `place`: accuracies on the left scale of 0 to 1, losses on the right one. */
function chart(place, { rounds, accuracies, losses }) {
  const known = losses.filter(Number.isFinite);
  if (!rounds.length) return place.replaceChildren();
  const most = Math.max(...known, 1e-9);
  const [first, last] = [rounds[0], Math.max(rounds[rounds.length - 1], rounds[0] + 1)];
  const x = round => LEFT + (WIDTH - LEFT - RIGHT) * (round - first) / (last - first);
  const y = share => HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share;
  const svg = element("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img" });
  svg.append(element("title", {}, `accuracy and loss of ${rounds.length} rounds`));
  for (const share of [0, 0.5, 1]) {
    svg.append(element("line", { class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: y(share), y2: y(share) }));
    svg.append(element("text", { x: LEFT - 6, y: y(share) + 4, "text-anchor": "end" }, share));
    if (known.length) svg.append(element("text", { x: WIDTH - RIGHT + 6, y: y(share) + 4 }, (most * share).toPrecision(2)));
  }
  for (const round of new Set([first, rounds[rounds.length - 1]]))
    svg.append(element("text", { x: x(round), y: HEIGHT - 6, "text-anchor": "middle" }, round));
  svg.append(element("text", { class: "accuracy", x: LEFT, y: 12 }, "accuracy"));
  svg.append(element("text", { class: "loss", x: WIDTH - RIGHT, y: 12, "text-anchor": "end" }, "loss"));
  for (const [name, values, scale] of [["loss", losses, most], ["accuracy", accuracies, 1]]) {
    const points = rounds.map((round, at) => [x(round), values[at], round]).filter(([, value]) => Number.isFinite(value));
    const line = points.map(([at, value]) => `${at.toFixed(1)},${y(value / scale).toFixed(1)}`).join(" ");
    svg.append(element("polyline", { class: name, points: line }));
    for (const [at, value, round] of points) {
      const dot = element("circle", { class: name, cx: at, cy: y(value / scale), r: points.length > 60 ? 1.5 : 3 });
      dot.append(element("title", {}, `round ${round}: ${name} ${value}`));
      svg.append(dot);
    }
  }
  place.replaceChildren(svg);
}
