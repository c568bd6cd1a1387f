// Thumbnails: fetched once their place is seen, a few at a time.

import { send } from "../ask.js";
import { make } from "../dom.js";

/** How many are asked for at once, and their longer side in pixels of the picture. */
const AT_ONCE = 4;
const SIDE = 96;

const waiting = [];
let asked = 0;

const seen = new IntersectionObserver(entries => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    seen.unobserve(target);
    waiting.push(target);
  }
  next();
}, { rootMargin: "200px" });

/** The place for the thumbnail of a job; where there is none it shows the first letter of the task. */
export function thumbnail({ id, task }) {
  const place = make("span", { class: "thumb", "aria-hidden": "true" }, task.slice(0, 1));
  place.dataset.job = id;
  seen.observe(place);
  return place;
}

/** Let go of the pictures below `node`, which leaves the page. */
export function release(node) {
  for (const image of node.querySelectorAll(".thumb img")) URL.revokeObjectURL(image.src);
}

function next() {
  while (asked < AT_ONCE && waiting.length) {
    const place = waiting.shift();
    if (!place.isConnected) continue;
    asked += 1;
    fill(place).catch(() => {}).finally(() => {
      asked -= 1;
      next();
    });
  }
}

async function fill(place) {
  const response = await send(`v1/jobs/${place.dataset.job}/pictures/0/preview?side=${SIDE}`);
  if (response.status !== 200) return;
  place.replaceChildren(make("img", { src: URL.createObjectURL(await response.blob()), alt: "" }));
}
