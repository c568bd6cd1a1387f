// "Run again with changes": a new job with the pictures of this one.

import { address, ask, post } from "../ask.js";
import { byId, make } from "../dom.js";
import { posting } from "../shell.js";
import { text } from "../text.js";

const form = byId("again");

/** Fill the form from what the job was asked to do, if that is kept. */
export async function begin(id, inputs) {
  if (!inputs.kept) return;
  byId("again-card").hidden = false;
  form.elements.params.value = JSON.stringify(inputs.params, null, 2);
  const { tasks } = await ask("v1/tasks");
  const sent = inputs.pictures.length;
  const fit = tasks.filter(each => each.min_images <= sent && sent <= each.max_images).map(each => each.name);
  const names = fit.includes(inputs.task) ? fit : [inputs.task, ...fit];
  form.elements.task.append(...names.map(name => make("option", { value: name, selected: name === inputs.task }, name)));
  form.addEventListener("input", () => show(id));
  form.addEventListener("submit", event => {
    event.preventDefault();
    run(id);
  });
  show(id);
}

/** What the form says; null when that is no JSON object. */
function read() {
  try {
    const params = JSON.parse(form.elements.params.value || "{}");
    if (typeof params === "object" && params !== null && !Array.isArray(params)) return { task: form.elements.task.value, params };
  } catch {
    // said below
  }
  return null;
}

function show(id) {
  const asked = read();
  byId("again-wrong").textContent = asked ? "" : text("again_no_json");
  if (asked) byId("again-curl").textContent = posting(asked, address(`v1/jobs/${id}/again`));
}

async function run(id) {
  const asked = read();
  if (!asked) return;
  const button = form.querySelector("button.main");
  button.disabled = true;
  try {
    const made = await post(`v1/jobs/${id}/again`, asked);
    location.assign(address(`jobs/${made.id}`));
  } catch (error) {
    byId("again-wrong").textContent = error.message;
    button.disabled = false;
  }
}
