// Lines for a shell.

import { byId } from "./dom.js";

/** Whether the farm wants a key; the lines read it from the environment. */
export const wantsKey = Boolean(byId("key-open"));

/** `words` as one word of a shell. */
export const quoted = words => /^[\w./:=@%+,-]+$/.test(words) ? words : `'${words.replaceAll("'", "'\\''")}'`;

/** A call of curl with these arguments. */
export const curl = rest => `curl -s${wantsKey ? ` -H "X-API-Key: $FARM_API_KEY"` : ""}${rest}`;

/** The line that posts `body` as JSON. */
export const posting = (body, url) => curl(` --json ${quoted(JSON.stringify(body))} ${url}`);
