// The models of the project: one is chosen, to see how it was trained and to have it predict.

import { ask } from "../ask.js";
import { byId, make } from "../dom.js";
import { complain } from "../messages.js";
import { number, text, textOr } from "../text.js";
import { Curve } from "./curve.js";
import { figure, pageOf } from "./figures.js";
import * as model from "./model.js";
import { Predict } from "./predict.js";

export class Models {
  constructor() {
    this.curve = new Curve(byId("history"));
    new Predict(() => byId("model").value);
    byId("model").addEventListener("change", () => this.show().catch(complain));
    model.begin(() => byId("model").value, id => this.list(id).catch(complain), () => this.list().catch(complain));
  }

  /** List them; the one of this id is chosen, or else the one that was. */
  async list(wanted = byId("model").value) {
    const { models } = await ask("api/models/");
    byId("model").replaceChildren(...models.map(({ id }) => make("option", { value: id, selected: id === wanted }, id)));
    byId("with-model").hidden = !models.length;
    byId("without-model").hidden = models.length > 0;
    if (models.length) await this.show();
  }

  async show() {
    const id = byId("model").value;
    const history = await ask(`api/models/${encodeURIComponent(id)}/training_history/`).catch(error => ({ rounds: [], accuracies: [], losses: [], error }));
    if (id !== byId("model").value) return;
    const facts = history.error ? [textOr(history.error.code, history.error.message)] : [text("rounds_done", { n: number(history.rounds.length) })];
    if (Number.isFinite(history.test_accuracy)) facts.push(text("test_says", { accuracy: figure(history.test_accuracy) }));
    byId("model-about").replaceChildren(facts.join(" · "));
    if (history.status) byId("model-about").append(" · ", make("a", { href: pageOf(id) }, text("to_run")));
    this.curve.show(history);
  }
}
