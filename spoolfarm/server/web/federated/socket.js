// The connection by Socket.IO, with the key of this tab.

import { root } from "../ask.js";
import { askForKey, key } from "../key.js";
import { text } from "../text.js";

/** Milliseconds that the farm has to take a run. */
const PATIENCE = 20_000;

/** A connection, which the browser resumes by itself; where the key is missing or wrong, it is asked for. */
export function connect() {
  const socket = window.io({ path: `${root.pathname}socket.io`, auth: given => given(key() ? { api_key: key() } : {}) });
  let tried = key();
  socket.on("connect_error", async error => {
    if (socket.active || !/key/i.test(error.message)) return; // the network; it is tried again
    if (tried === key() && !await askForKey()) return;
    tried = key();
    socket.connect();
  });
  return socket;
}

/** Start a run with these parameters; resolves to its job's id. Throws an Error with the farm's refusal. */
export async function startRun(params) {
  const socket = connect();
  try {
    const answer = await socket.timeout(PATIENCE).emitWithAck("start_simulation", params).catch(() => ({ message: text("unreachable") }));
    if (!answer.job) throw new Error(answer.message);
    return answer.job;
  } finally {
    socket.disconnect();
  }
}
