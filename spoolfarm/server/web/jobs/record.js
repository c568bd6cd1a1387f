// A job's record in words: its state, its times, where it came from.

import { make } from "../dom.js";
import { textOr } from "../text.js";
import { now } from "../time.js";

export const hasEnded = record => !["queued", "running"].includes(record.status);

/** A badge with the state. */
export const state = record => make("span", { class: `state ${record.status}` }, textOr(`state_${record.status}`, record.status));

/** Where a file of a job's result lies, whatever it is called. */
export const fileOf = (record, name) => `v1/jobs/${record.id}/files/${encodeURIComponent(name)}`;

/** What a job is called: by its file, or else its task. */
export const title = record => record.name || record.task;

/** Who submitted it. */
export const source = record => record.source ? textOr(`source_${record.source}`, record.source) : "";

/** When a worker first had the job; null before that. */
const begun = record => record.lost?.[0]?.started ?? record.started;

/** Seconds that it has waited for its first worker. */
export const waited = record => (begun(record) ?? record.finished ?? now()) - record.created;

/** Seconds that its last attempt has run; null before there is one. */
export const ran = record => record.started === null ? null : (record.finished ?? now()) - record.started;
