// Requests to the farm, with the key of this tab; what goes wrong becomes an Error whose message is for people.

import { askForKey, key } from "./key.js";
import { text } from "./text.js";
import { heed } from "./time.js";

/** The farm's root, below whatever prefix it is reached. */
export const root = new URL("../", import.meta.url);

/** The address of `path`, which is written without a slash at its beginning. */
export const address = path => new URL(path, root).href;

/** The farm's own refusal: its sentence, its `status` and its `code`. */
export class Refusal extends Error {
  constructor(status, body) {
    super([body.error, body.hint].filter(Boolean).join(" "));
    this.status = status;
    this.code = body.code;
    this.id = body.id;
  }
}

/** The response to a request, once it is a good one. Where the key is missing or wrong, it is asked for. */
export async function send(path, options = {}) {
  for (;;) {
    const used = key();
    const headers = { ...options.headers, ...(used && { "X-API-Key": used }) };
    const response = await fetch(address(path), { ...options, headers }).catch(async error => {
      if (error.name === "AbortError") throw error;
      throw new Error(text(await isThere(options.body) ? "unreachable" : "unreadable_file"));
    });
    if (response.ok) return response;
    const body = await response.json().catch(() => ({ error: `${response.status} ${response.statusText}` }));
    if (response.status !== 401) throw new Refusal(response.status, body);
    if (used === key() && !await askForKey()) throw new Refusal(401, { ...body, error: text("key_missing"), hint: "" });
  }
}

/** Whether the files of a form, if it is one, can be read: one may have been moved or changed since it was chosen. */
async function isThere(body) {
  const files = body instanceof FormData ? [...body.values()].filter(each => each instanceof Blob) : [];
  return Promise.all(files.map(file => file.slice(0, 1).arrayBuffer())).then(() => true, () => false);
}

/** The JSON that answers a request. */
export async function ask(path, options = {}) {
  const response = await send(path, options);
  heed(response.headers.get("Date"));
  return response.json().catch(error => { // it broke off, or another than the farm has answered
    throw error.name === "AbortError" ? error : new Error(text("unreachable"));
  });
}

/** The JSON that answers a POST of JSON. */
export function post(path, body, headers = {}) {
  const told = { "Content-Type": "application/json", ...headers };
  return ask(path, { method: "POST", headers: told, body: JSON.stringify(body) });
}

/** A picture or a file, as an address that an element can show; it has to be revoked. */
export async function objectUrl(path) {
  return URL.createObjectURL(await (await send(path)).blob());
}

/**
 * The Server-Sent Events of `path` as `{ event, data, id }`, where `data` is parsed. A broken stream is resumed after
 * the last event seen, until an event called "end", or until the signal of `options` is aborted.
 */
export async function* follow(path, options = {}) {
  let last = options.last ?? "";
  let pause = 250;
  for (;;) {
    try {
      const headers = { Accept: "text/event-stream", ...(last && { "Last-Event-ID": last }) };
      const response = await send(path, { ...options, headers });
      for await (const each of parsed(response.body)) {
        pause = 250;
        last = each.id || last;
        yield each;
        if (each.event === "end") return;
      }
    } catch (error) {
      if (error.name === "AbortError" || (error instanceof Refusal && error.status < 500)) throw error;
    }
    await new Promise(resolve => setTimeout(resolve, pause));
    pause = Math.min(pause * 2, 5000);
  }
}

async function* parsed(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const blocks = (rest + value).split("\n\n");
      rest = blocks.pop();
      for (const block of blocks) {
        const found = Object.fromEntries(block.split("\n").filter(line => line.includes(": "))
          .map(line => [line.slice(0, line.indexOf(": ")), line.slice(line.indexOf(": ") + 2)]));
        if (found.data) yield { event: found.event, id: found.id, data: JSON.parse(found.data) };
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}
