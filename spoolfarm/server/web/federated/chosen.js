// The runs that are compared, and their baseline: kept in the address, after the `#`, so that a comparison can be shared.

import { colourOf } from "../plot.js";

export class Chosen {
  /** `changed` is called whenever they are others. */
  constructor(changed) {
    this.changed = changed;
    this.read();
    addEventListener("hashchange", () => {
      this.read();
      changed();
    });
  }

  read() {
    const kept = new URLSearchParams(location.hash.slice(1));
    /** The number of each by its id: its colour stays while others come and go. */
    this.numbers = new Map((kept.get("runs") ?? "").split("/").filter(Boolean).map((id, at) => [id, at]));
    this.baseline = kept.get("baseline") ?? "";
  }

  get ids() {
    return [...this.numbers.keys()];
  }

  has(id) {
    return this.numbers.has(id);
  }

  colour(id) {
    return colourOf(this.numbers.get(id) ?? 0);
  }

  /** Have it compared, or no longer. */
  set(id, whether) {
    if (whether === this.has(id)) return;
    if (whether) this.add(id);
    else this.numbers.delete(id);
    this.keep();
    this.changed();
  }

  /** Have these compared, and no others. */
  all(ids) {
    this.numbers.clear();
    ids.forEach((id, at) => this.numbers.set(id, at));
    this.keep();
    this.changed();
  }

  /** Compare with this one; with "" with none. */
  pin(id) {
    this.baseline = id;
    this.keep();
    this.changed();
  }

  /** What was called by the id of its job has a folder by now. */
  rename(before, id) {
    if (before === id || !this.has(before)) return;
    this.numbers.set(id, this.numbers.get(before));
    this.numbers.delete(before);
    if (this.baseline === before) this.baseline = id;
    this.keep();
  }

  add(id) {
    const used = new Set(this.numbers.values());
    let free = 0;
    while (used.has(free)) free += 1;
    this.numbers.set(id, free);
  }

  keep() {
    if (!this.has(this.baseline)) this.baseline = "";
    const kept = new URLSearchParams();
    if (this.numbers.size) kept.set("runs", this.ids.join("/"));
    if (this.baseline) kept.set("baseline", this.baseline);
    const hash = kept.toString().replaceAll("%2F", "/");
    history.replaceState(history.state, "", `${location.pathname}${location.search}${hash && `#${hash}`}`);
  }
}
