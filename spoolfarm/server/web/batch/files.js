// The files of a new batch: chosen, and sent one by one.

import { address, send } from "../ask.js";
import { make } from "../dom.js";
import { key } from "../key.js";
import { download } from "../save.js";

/** Files that are sent at once. */
const AT_ONCE = 4;

/** The files of an input, each with its name below the folder that was chosen. */
export const chosen = input => [...input.files].map(file => ({ file, name: file.webkitRelativePath || file.name }));

/** Send `files` to a batch; `tell` hears how many are there. Throws the first refusal, when those under way are over. */
export async function sendAll(id, files, tell) {
  const waiting = [...files];
  let sent = 0;
  async function work() {
    for (let each = waiting.shift(); each; each = waiting.shift()) {
      const body = new FormData();
      body.append("name", each.name);
      body.append("file", each.file, "file");
      try {
        await send(`v1/batches/${id}/files`, { method: "POST", body });
      } catch (error) {
        waiting.length = 0;
        error.message = `${each.name}: ${error.message}`;
        throw error;
      }
      tell(++sent);
    }
  }
  const ended = await Promise.allSettled(Array.from({ length: AT_ONCE }, work));
  const failed = ended.find(each => each.status === "rejected");
  if (failed) throw failed.reason;
}

/** Have the browser save what lies at `path`: by a link, or where that needs the key, by way of memory. */
export async function takeAway(path, name) {
  if (key()) await download(path, name);
  else make("a", { href: address(path), download: name }).click();
}
