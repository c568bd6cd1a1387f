// A form made of a task's JSON schema: a field for each parameter, told apart by its type alone.

import { make } from "../dom.js";
import { text, textOr } from "../text.js";

/**
 * The fields of the `schema` of `task`; those of `left` are left out. What `read` returns are the parameters that differ from their
 * defaults. `choices` names what a field may be filled with, by its name. The first `most` are shown at once, and those
 * that ask for it.
 */
export class Form {
  constructor(task, schema, left, choices = {}, most = 0) {
    this.fields = Object.entries(schema.properties ?? {})
      .filter(([name]) => !left.includes(name))
      .map(([name, said]) => new Field(task, name, whole(said, schema.$defs), (schema.required ?? []).includes(name), choices[name]));
    const open = schema.additionalProperties ? new Field(task, OTHERS, { type: "lines" }, false) : null;
    this.others = open;
    const comesFirst = (field, at) => at < most || field.comesFirst;
    const first = this.fields.filter(comesFirst);
    const rest = this.fields.filter((field, at) => !comesFirst(field, at));
    this.nodes = [...first, ...(open && !rest.length ? [open] : [])].map(field => field.node);
    if (open && rest.length) rest.push(open);
    if (rest.length) {
      const more = make("details", {}, make("summary", {}, `${text("options")} `, make("span", { class: "soft" }, String(rest.length))));
      more.append(make("div", { class: "stack options" }, ...rest.map(field => field.node)));
      more.addEventListener("invalid", () => { more.open = true; }, true); // what is wrong has to be seen
      this.nodes.push(more);
    }
  }

  /** Show these parameters: each in its field, and those that have none as lines. */
  fill(params) {
    const named = new Set(this.fields.map(field => field.name));
    const rest = Object.entries(params).filter(([name, value]) => !named.has(name) && value !== null);
    for (const field of this.fields) if (field.name in params) field.fill(params[field.name]);
    if (this.others) this.others.input.value = rest.map(([name, value]) => `${name}=${JSON.stringify(value)}`).join("\n");
  }

  /** Show these, and have them hold where nothing else is said. */
  stand(params) {
    for (const field of this.fields.filter(({ name }) => name in params)) {
      field.fill(params[field.name]);
      field.fallback = params[field.name];
    }
  }

  /** The parameters. Throws an Error that names the field for text that does not parse. */
  read() {
    const params = {};
    for (const field of this.fields) {
      const value = field.read();
      if (value !== undefined && JSON.stringify(value) !== JSON.stringify(field.fallback)) params[field.name] = value;
    }
    return this.others ? { ...params, ...pairs(this.others.input.value) } : params;
  }
}

/** What `said` says of a value, with what it refers to among the `named` schemas. */
function whole({ $ref, ...said }, named) {
  if ($ref) return whole({ ...named[$ref.split("/").at(-1)], ...said }, named);
  if ("const" in said) said.enum = [said.const];
  if (said.items) said.items = whole(said.items, named);
  if (said.anyOf) said.anyOf = said.anyOf.map(each => whole(each, named));
  return said;
}

/** The name of the field for parameters that no schema names. */
const OTHERS = "others";

/** What a task that comes with the farm says of a parameter, in the reader's language; one's own says it in its own. */
const translated = (task, name, words) =>
  textOr(`task_${task}`, "") ? textOr(`param_${task}_${name}`, textOr(`param_${name}`, words)) : words;

class Field {
  constructor(task, name, said, required, choices) {
    this.name = name;
    const kinds = (said.anyOf ?? [said]).filter(each => each.type !== "null");
    this.said = kinds.length === 1 ? kinds[0] : {};
    /** Whether what is not JSON is text. */
    this.mayBeText = kinds.length > 1 && kinds.some(each => each.type === "string");
    this.required = required;
    this.fallback = said.default;
    if (this.said.type === "boolean" && this.fallback === null) this.said = { enum: [true, false] }; // or neither
    this.examples = said.examples ?? [];
    const id = `field-${name}`;
    const words = name === OTHERS ? text("others") : said.description ?? "";
    this.input = this.make(id, choices);
    const hint = words && make("p", { class: "hint", id: `${id}-hint` }, translated(task, name, words));
    if (hint) this.input.setAttribute("aria-describedby", hint.id);
    const label = name === OTHERS ? text("others_label") : name;
    this.node = this.said.type === "boolean"
      ? make("div", { class: "field" }, make("label", { class: "check", for: id }, this.input, make("code", {}, label)), hint)
      : this.boxes
        ? make("fieldset", { class: "field" }, make("legend", {}, make("code", {}, label)), this.input, hint)
        : make("div", { class: "field" }, make("label", { for: id }, make("code", {}, label)), this.input, this.list, this.presets(), hint);
  }

  /** Whether it is shown at once: what has to be filled in, and lists that the schema gives examples of. */
  get comesFirst() {
    return this.required || (this.said.type === "array" && this.examples.length > 0);
  }

  make(id, choices) {
    const said = this.said;
    if (said.enum) {
      const options = [...(this.fallback === null || this.fallback === undefined ? [""] : []), ...said.enum];
      return make("select", { id, required: this.required }, ...options.map(each =>
        make("option", { value: String(each), selected: each === this.fallback }, String(each))));
    }
    if (said.type === "boolean") return make("input", { type: "checkbox", id, checked: this.fallback === true });
    if (said.type === "number" || said.type === "integer") {
      const step = said.type === "integer" ? 1 : "any";
      const value = this.fallback ?? (this.required ? this.examples[0] : undefined);
      const input = make("input", { type: "number", id, min: said.minimum ?? said.exclusiveMinimum, max: said.maximum, step, value, placeholder: text("automatic"), required: this.required });
      const above = said.exclusiveMinimum;
      if (above !== undefined) {
        input.addEventListener("input", () => input.setCustomValidity(input.value !== "" && Number(input.value) <= above ? text("more_than", { n: above }) : ""));
      }
      return input;
    }
    if (said.type === "array" && said.items?.enum) {
      this.boxes = said.items.enum.map(value => make("input", { type: "checkbox", value: String(value), checked: (this.fallback ?? []).includes(value) }));
      return make("div", { class: "row" }, ...this.boxes.map(box => make("label", { class: "check" }, box, box.value)));
    }
    if (said.type === "array" && said.items?.type === "string") return make("textarea", { id, rows: 3, spellcheck: "false" });
    if (said.type === "lines") return make("textarea", { id, rows: 2, spellcheck: "false", placeholder: "name=value" });
    if (said.type === "string") {
      if (choices) this.list = make("datalist", { id: `${id}-choices` }, ...choices.map(value => make("option", { value })));
      const type = this.name.includes("password") ? "password" : "text";
      const value = this.fallback ?? choices?.[0] ?? "";
      const list = this.list?.id;
      return make("input", { type, id, value, list, maxlength: said.maxLength, required: this.required, autocomplete: "off" });
    }
    const placeholder = this.fallback === undefined ? "" : JSON.stringify(this.fallback);
    return make("textarea", { id, rows: 2, spellcheck: "false", placeholder, required: this.required });
  }

  /** Buttons that fill in the examples. */
  presets() {
    if (!this.examples.length || this.said.type !== "array" || this.boxes) return null;
    const fill = example => {
      this.input.value = example.join("\n");
      this.input.dispatchEvent(new Event("input", { bubbles: true }));
    };
    fill(this.examples[0]);
    if (this.examples.length < 2) return null;
    return make("div", { class: "row presets" }, ...this.examples.map(example =>
      make("button", { type: "button", class: "chip", onclick: () => fill(example) }, example.join(", "))));
  }

  fill(value) {
    if (this.boxes) for (const box of this.boxes) box.checked = (value ?? []).map(String).includes(box.value);
    else if (this.said.type === "boolean") this.input.checked = value === true;
    else if (this.said.type === "array" && this.said.items?.type === "string") this.input.value = (value ?? []).join("\n");
    else if (value === null) this.input.value = "";
    else if (this.said.enum) this.input.value = String(value);
    else this.input.value = ["string", "number"].includes(typeof value) ? value : JSON.stringify(value);
  }

  /** The value, or undefined for none. */
  read() {
    const said = this.said;
    if (this.boxes) {
      const chosen = said.items.enum.filter((_, at) => this.boxes[at].checked);
      return chosen.length || this.required || this.fallback ? chosen : undefined;
    }
    if (said.type === "boolean") return this.input.checked;
    const value = this.input.value;
    if (said.enum) return said.enum.find(each => String(each) === value);
    if (said.type === "string") return value === "" && typeof this.fallback !== "string" ? undefined : value;
    if (value.trim() === "") return undefined;
    if (said.type === "array" && said.items?.type === "string") return value.split("\n").map(each => each.trim()).filter(Boolean);
    if (said.type === "number" || said.type === "integer") return Number(value);
    try {
      return JSON.parse(value);
    } catch {
      if (this.mayBeText) return value;
      throw new Error(text("no_json", { name: this.name }));
    }
  }
}

/** Lines of name=value as parameters; a value is JSON when it reads as JSON, else text. */
function pairs(lines) {
  const found = {};
  for (const line of lines.split("\n").filter(each => each.trim())) {
    const [name, ...rest] = line.split("=");
    const value = rest.join("=").trim();
    try {
      found[name.trim()] = JSON.parse(value);
    } catch {
      found[name.trim()] = value;
    }
  }
  return found;
}
