// A stream of events that is heard while the page is seen: a browser has few connections for all of its tabs.

import { follow } from "./ask.js";

export class Stream {
  /** `heard` is called with each event of `path`, and `failed` with the Error that ends the stream. */
  constructor(path, heard, failed) {
    Object.assign(this, { path, heard, failed, last: "" });
    document.addEventListener("visibilitychange", () => document.hidden ? this.close() : this.open());
  }

  /** Listen, from after the last event that was heard, until one called "end". */
  async open() {
    if (document.hidden || this.listening || this.ended) return;
    const { signal } = this.listening = new AbortController();
    try {
      for await (const event of follow(this.path, { signal, last: this.last })) {
        if (signal.aborted) return; // what came with an earlier event is not heard after a restart
        this.last = event.id || this.last;
        this.ended = event.event === "end";
        await this.heard(event);
      }
    } catch (error) {
      this.failed(error);
    }
  }

  close() {
    this.listening?.abort();
    this.listening = null;
  }

  /** Listen from the beginning. */
  restart() {
    this.close();
    this.last = "";
    this.ended = false;
    this.open();
  }
}
