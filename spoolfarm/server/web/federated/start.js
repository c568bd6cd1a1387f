// A new run: a form made of the project's own parameters.

import { address, ask } from "../ask.js";
import { byId, make } from "../dom.js";
import { text } from "../text.js";
import { Form } from "../try/form.js";
import { startRun } from "./socket.js";

/** Parameters that are shown at once. */
const FIRST = 8;
/** The title of the schema of the farm's own project, whose parameters are told in the reader's language. */
const OWN = "flower_project";

const form = byId("start");
let fields = null;

/** Make the form, filled with the settings of the run that the address may name: to do it again, or to go on with it. */
export async function begin() {
  const schema = await ask("v1/run-parameters");
  fields = new Form(schema.title === OWN ? "simulate" : "", { additionalProperties: true, ...schema }, [], {}, FIRST);
  byId("start-fields").replaceChildren(...fields.nodes);
  const asked = new URLSearchParams(location.search);
  const like = asked.get("like") ?? asked.get("resume");
  if (like) await fillFrom(like, asked.has("resume"));
}

async function fillFrom(id, goOn) {
  const run = await ask(`v1/runs/${encodeURIComponent(id)}`);
  const { out, resume, ...settings } = run.settings ?? {};
  if (goOn) fields.stand(settings);
  fields.fill(goOn ? { rounds: 2 * (run.rounds_wanted ?? run.rounds_done), resume: `global_models/${run.id}` } : settings);
  show(true);
  const said = make("p", { class: "note" }, text(goOn ? "going_on" : "filled_from", { name: run.id }));
  byId("start-fields").prepend(said);
  form.scrollIntoView({ block: "nearest" });
  history.replaceState(history.state, "", location.pathname + location.hash);
}

/** Show the form, or hide it. */
export function show(shown) {
  form.hidden = !shown;
  byId("new-run").ariaExpanded = String(shown);
  if (shown) form.querySelector("input, select, textarea")?.focus();
}

form.addEventListener("submit", async event => {
  event.preventDefault();
  byId("start-run").disabled = true;
  byId("start-said").hidden = true;
  try {
    location.assign(address(`federated/${await startRun(fields.read())}`));
  } catch (error) {
    byId("start-said").textContent = error.message;
    byId("start-said").hidden = false;
    byId("start-run").disabled = false;
  }
});
byId("new-run").addEventListener("click", () => show(form.hidden));
