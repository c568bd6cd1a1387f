// "The same as": the request on the screen as lines for a shell, for Python and for the command line.

import { root } from "../ask.js";
import { curl, posting, quoted, wantsKey } from "../shell.js";

const url = root.href.replace(/\/$/, "");

/** A value as Python writes it. */
export function python(value) {
  if (value === null) return "None";
  if (value === true || value === false) return value ? "True" : "False";
  if (Array.isArray(value)) return `[${value.map(python).join(", ")}]`;
  if (typeof value === "object") return `{${Object.entries(value).map(([name, each]) => `${JSON.stringify(name)}: ${python(each)}`).join(", ")}}`;
  return JSON.stringify(value);
}

/** A field of a form for curl, which would read a file for `@` or `<` and an option after `;`. */
const field = (name, value) => ` ${/^[@<]|;/.test(value) ? "--form-string" : "-F"} ${quoted(`${name}=${value}`)}`;

/** What `name` is fetched by first, when it is a sample of the farm. */
const fetched = ({ from }) => from ? [`curl -sO ${quoted(from)}`] : [];

/** Lines by their kind for `task` with `params` on `pictures`, `{ name, from }`. */
export function lines(task, params, pictures) {
  const given = Object.keys(params).length > 0;
  const first = pictures.flatMap(fetched);
  const files = pictures.map(({ name }) => quoted(name.startsWith("-") ? `./${name}` : name));
  return { curl: [...first, byCurl(task, params, given, pictures)].join("\n"),
    python: inPython(task, params, pictures, first),
    cli: [...first, ["spoolfarm submit", task, ...files, "--wait", ...Object.entries(params).map(([name, value]) => `-p ${quoted(`${name}=${said(value)}`)}`)].join(" ")].join("\n") };
}

/** A value as the command line reads it: text that reads as JSON has to be quoted as JSON. */
function said(value) {
  if (typeof value !== "string") return JSON.stringify(value);
  try {
    JSON.parse(value);
    return JSON.stringify(value);
  } catch {
    return value;
  }
}

function byCurl(task, params, given, pictures) {
  const images = pictures.map(({ name }) => ` -F ${quoted(`image=@"${name.replaceAll(/(["\\])/g, "\\$1")}"`)}`).join("");
  if (task === "edit" && !("output" in params)) {
    const operations = (params.operations ?? []).map(each => field("operations", each)).join("");
    const format = params.format ? ` -F format=${params.format}` : "";
    const several = (params.operations ?? []).some(each => each.startsWith("split"));
    const suffix = several ? "zip" : params.format ?? pictures[0]?.name.split(".").pop() ?? "png";
    return curl(`${images}${operations}${format} ${url}/v1/edit -o ${quoted(`edited.${suffix}`)}`);
  }
  if (!pictures.length) return posting({ params }, `${url}/v1/run/${task}`);
  const sent = given ? field("params", JSON.stringify(params)) : "";
  return curl(`${images}${sent} ${url}/v1/run/${task}`);
}

function inPython(task, params, pictures, first) {
  const names = pictures.map(({ name }) => JSON.stringify(name));
  const picture = names.length > 1 ? [`[${names.join(", ")}]`] : names;
  const plain = Object.keys(params).every(name => /^[a-z_]\w*$/i.test(name));
  const rest = plain ? Object.entries(params).map(([name, value]) => `${name}=${python(value)}`) : [`**${python(params)}`];
  return [
    ...(wantsKey ? ["import os"] : []),
    ...(first.length ? ["from urllib.request import urlretrieve"] : []),
    ...(wantsKey || first.length ? [""] : []),
    "from spoolfarm import Client",
    "",
    ...pictures.filter(({ from }) => from).map(({ name, from }) => `urlretrieve(${JSON.stringify(from)}, ${JSON.stringify(name)})`),
    `farm = Client(${JSON.stringify(url)}${wantsKey ? `, os.environ["FARM_API_KEY"]` : ""})`,
    `print(farm.call(${[JSON.stringify(task), ...picture, ...rest].join(", ")}))`,
  ].join("\n");
}
