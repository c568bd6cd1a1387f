// What a model says of a picture: drawn, dropped, pasted, or chosen as a file.

import { post } from "../ask.js";
import { chances } from "../chances.js";
import { byId, make } from "../dom.js";
import { text } from "../text.js";
import { Pad } from "./pad.js";

/** Classes that are shown. */
const SHOWN = 10;

export class Predict {
  /** `modelOf` gives the id of the model that is asked, or "". */
  constructor(modelOf) {
    this.modelOf = modelOf;
    this.asked = null;
    this.pad = new Pad(byId("canvas"), byId("pen"), () => this.ask(this.pad.picture()), () => this.answer());
    byId("wipe").addEventListener("click", () => this.pad.clear());
    byId("choose-picture").addEventListener("click", () => byId("picture").click());
    byId("picture").addEventListener("change", event => {
      this.take(event.target.files[0]);
      event.target.value = "";
    });
    document.addEventListener("paste", event => this.take(event.clipboardData.files[0]));
    for (const name of ["dragenter", "dragover", "dragleave", "drop"]) {
      byId("pad").addEventListener(name, event => {
        event.preventDefault();
        byId("pad").classList.toggle("over", name === "dragenter" || name === "dragover");
        if (name === "drop") this.take(event.dataTransfer.files[0]);
      });
    }
  }

  async take(file) {
    if (!file) return;
    this.pad.wipe();
    const picture = await createImageBitmap(file).catch(() => null);
    if (picture) this.pad.show(picture);
    const reader = new FileReader();
    reader.addEventListener("load", () => this.ask(reader.result));
    reader.readAsDataURL(file);
  }

  /** Ask the model about a picture, a data: address. */
  async ask(picture) {
    if (!picture) return;
    const mine = this.asked = Symbol("asked");
    byId("predictions").setAttribute("aria-busy", "true");
    try {
      if (!this.modelOf()) throw new Error(text("no_models"));
      const { predictions } = await post("api/predict/", { model_id: this.modelOf(), image_data: picture });
      if (this.asked === mine) this.answer(chances(predictions.slice(0, SHOWN)));
    } catch (error) {
      if (this.asked === mine) this.answer(make("p", { class: "note bad" }, error.message));
    }
  }

  answer(...shown) {
    this.asked = null;
    byId("predictions").removeAttribute("aria-busy");
    byId("predictions").replaceChildren(...shown);
  }
}
