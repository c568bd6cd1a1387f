// What can be done with a model: taken away, renamed, removed.

import { ask, post, send } from "../ask.js";
import { byId } from "../dom.js";
import { complain, say } from "../messages.js";
import { download } from "../save.js";
import { sure } from "../sure.js";
import { text } from "../text.js";

const pathOf = id => `v1/models/${encodeURIComponent(id)}`;

/**
 * Make the buttons work: `modelOf` gives the id of the model, `renamed` is called with its new one, and `removed` when it
 * is gone. The page of a run removes the run.
 */
export function begin(modelOf, renamed, removed) {
  byId("download-model").addEventListener("click", () => download(`${pathOf(modelOf())}/weights`, `${modelOf()}.pth`).catch(complain));
  byId("rename-model").addEventListener("click", () => open(modelOf()).catch(complain));
  byId("rename-cancel").addEventListener("click", () => byId("rename").close());
  byId("rename-form").addEventListener("submit", async event => {
    event.preventDefault();
    try {
      const { id } = await post(`${pathOf(modelOf())}/rename`, { name: byId("rename-name").value.trim() });
      byId("rename").close();
      say(text("renamed", { name: id }));
      renamed(id);
    } catch (error) {
      byId("rename-wrong").textContent = error.message;
    }
  });
  byId("remove-model")?.addEventListener("click", async () => {
    const id = modelOf();
    if (!await sure(text("remove_sure", { name: id }), text("remove"))) return;
    try {
      await send(pathOf(id), { method: "DELETE" });
      say(text("removed", { name: id }));
      removed();
    } catch (error) {
      complain(error);
    }
  });
}

async function open(id) {
  const { beginning } = await ask(pathOf(id));
  byId("rename-why").textContent = text("rename_why", { beginning });
  byId("rename-wrong").textContent = "";
  byId("rename-name").value = id;
  byId("rename").showModal();
  byId("rename-name").select();
}
