// The page Federated: all runs, those that are chosen side by side, a new one, and the models.

import { byId } from "../dom.js";
import { looking } from "../looking.js";
import { complain } from "../messages.js";
import { Chosen } from "./chosen.js";
import { Compare } from "./compare.js";
import { Models } from "./models.js";
import * as start from "./start.js";
import { Table } from "./table.js";

/** Milliseconds between two looks: while something runs, and else. */
const BUSY = 2000;
const CALM = 10_000;

let wasBusy = false;
const chosen = new Chosen(() => {
  table.tick();
  compare.draw();
  compare.load();
});
const table = new Table(chosen, () => look());
const compare = new Compare(chosen, () => table.at);
const models = new Models();
const look = looking(async () => {
  const busy = await table.look();
  await compare.refresh();
  if (wasBusy && !busy) await models.list();
  wasBusy = busy;
  return busy ? BUSY : CALM;
});

byId("choose-all").addEventListener("click", () => table.all().then(ids => chosen.all(ids), complain));
await look();
if (!table.total) start.show(true);
compare.load();
start.begin().catch(complain);
models.list().catch(complain);
