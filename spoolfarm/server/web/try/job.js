// One job: submitted, followed to its end, and cancelled when nobody wants it any more.

import { ask, follow, send } from "../ask.js";

/** Seconds that the first request waits, so that a quick job needs no second one. */
const FIRST = 1;

/**
 * The record of a job that has ended. `told` is called with `{ status }`, `{ progress }` and `{ line }` meanwhile, and
 * with `{ id }` first. Throws a Refusal, or an AbortError once `signal` is aborted; the job is cancelled then.
 */
export async function run(task, pictures, params, told, signal) {
  const form = new FormData();
  form.append("task", task);
  form.append("params", JSON.stringify(params));
  for (const picture of pictures) form.append("image", picture.blob, picture.name);
  const record = await ask("v1/jobs", { method: "POST", body: form, headers: { Prefer: `wait=${FIRST}` }, signal });
  told({ id: record.id });
  if (record.finished) return record;
  const stopped = () => send(`v1/jobs/${record.id}`, { method: "DELETE" }).catch(() => {});
  signal.addEventListener("abort", stopped, { once: true });
  try {
    return await ended(record.id, told, signal);
  } finally {
    signal.removeEventListener("abort", stopped);
  }
}

/** The record of the job `id` once it has ended. It goes on when `signal` is aborted: it may be somebody else's. */
export async function ended(id, told, signal) {
  for await (const { event, data } of follow(`v1/jobs/${id}/events`, { signal })) {
    if (event === "end") return data;
    told(data);
  }
  return ask(`v1/jobs/${id}`);
}
