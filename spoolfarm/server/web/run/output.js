// What a run prints, heard by Socket.IO line by line: after a break it goes on behind the last line that came.

import { byId } from "../dom.js";
import { isOver } from "../federated/figures.js";
import { connect } from "../federated/socket.js";
import { Log } from "../log.js";
import { text } from "../text.js";

/** How a line tells the figures of a round. */
const ROUND = /\bround\s+(\d+)\s*(?:\/|of)\s*\d+.*?\baccuracy\s+([\d.]+)(?:.*?\bloss\s+([\d.]+))?/i;

export class Output {
  /** Of the run called `name`; `changed` is called when a round is over, and at the end. */
  constructor(name, changed) {
    this.log = new Log(name);
    this.changed = changed;
    /** The figures of the rounds, as far as the lines tell them. */
    this.curves = { rounds: [], accuracies: [], losses: [] };
    document.addEventListener("visibilitychange", () => document.hidden ? this.socket?.disconnect() : this.resume());
  }

  /** Hear the run from now on; of one that nobody's job makes there is nothing to be heard. */
  follow(run) {
    if (run.job === this.job) return;
    this.job = run.job;
    this.isOver = isOver(run);
    byId("no-log").hidden = Boolean(run.job);
    byId("log").hidden = byId("log-tools").hidden = !run.job;
    if (!run.job) {
      byId("no-log").textContent = text("log_elsewhere");
      this.log.end(true);
      return;
    }
    this.socket?.disconnect();
    this.ended = false;
    this.log.clear();
    this.curves = { rounds: [], accuracies: [], losses: [] };
    this.begin();
  }

  begin() {
    const { job } = this;
    const socket = this.socket = connect();
    const mine = act => body => job === this.job && act(body);
    socket.on("connect", () => socket.emit("follow_simulation", { job, start: this.log.lines.length }));
    socket.on("simulation_log", mine(body => this.hear(body)));
    socket.on("simulation_progress", mine(() => this.changed()));
    socket.on("simulation_complete", mine(() => this.end()));
    socket.on("simulation_error", mine(() => this.end()));
  }

  resume() {
    if (this.job && !this.ended) this.socket.connect();
  }

  /** A line of the script; what the farm says in between has more than a message, and is shown in the reader's words. */
  hear(body) {
    if ("status" in body || "exit_code" in body) return;
    this.log.add({ line: body.message });
    const found = ROUND.exec(body.message);
    if (!found) return;
    this.curves.rounds.push(Number(found[1]));
    this.curves.accuracies.push(Number(found[2]));
    this.curves.losses.push(found[3] === undefined ? null : Number(found[3]));
  }

  end() {
    this.ended = true;
    this.socket.disconnect();
    this.log.end(true);
    if (this.isOver && !this.log.lines.length) {
      byId("no-log").textContent = text("log_gone");
      byId("no-log").hidden = false;
      byId("log").hidden = byId("log-tools").hidden = true;
    }
    this.changed();
  }
}
