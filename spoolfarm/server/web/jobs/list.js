// The list: the jobs that fit, page by page, kept up to date without moving what is being read.

import { ask, send } from "../ask.js";
import { byId, make } from "../dom.js";
import { complain, say } from "../messages.js";
import { number, text } from "../text.js";
import { age, ago, duration, when } from "../time.js";
import { query } from "./filters.js";
import { hasEnded, ran, source, state, title, waited } from "./record.js";
import { release, thumbnail } from "./thumbnails.js";

/** Jobs of one page, rows at most, and unfinished rows that are asked for one by one. */
const PAGE = 50;
const MOST = 2000;
const SINGLE = 20;

const body = byId("jobs").tBodies[0];

class List {
  constructor() {
    /** By id: the row of each job, and the record that it shows. */
    this.rows = new Map();
    this.records = new Map();
    this.running = new AbortController();
    this.next = null;
    this.end = new IntersectionObserver(entries => entries.some(each => each.isIntersecting) && this.more());
    byId("older").addEventListener("click", () => this.rows.size < MOST ? this.more() : this.goOn());
    byId("new").addEventListener("click", () => this.reload());
    byId("newest").addEventListener("click", () => this.from(""));
    setInterval(() => body.querySelectorAll("time").forEach(age), 20_000);
  }

  /** Where the list begins: below this id, or with the newest. */
  get start() {
    return new URLSearchParams(location.search).get("before") ?? "";
  }

  /** Begin the list at another place. */
  from(before) {
    const asked = new URLSearchParams(query());
    if (before) asked.set("before", before);
    history.pushState(null, "", asked.size ? `?${asked}` : location.pathname);
    this.reload();
    scrollTo(0, 0);
  }

  goOn() {
    this.from(this.next);
  }

  /** Look anew for what fits now. */
  async reload() {
    this.running.abort();
    const { signal } = this.running = new AbortController();
    this.signal = signal;
    this.loading = false;
    this.fresh = true;
    this.next = this.start || "g";
    byId("new").hidden = byId("empty").hidden = byId("older").hidden = true;
    byId("newest").hidden = !this.start;
    byId("count").textContent = text("loading");
    await this.more();
  }

  /** Show the next page; one that ends early, because few jobs fit, is gone on with. */
  async more() {
    if (this.loading || this.next === null || this.rows.size >= MOST && !this.fresh) return;
    const signal = this.signal;
    this.loading = true;
    this.failure = null;
    this.end.disconnect();
    try {
      let found = 0;
      while (found < PAGE && this.next !== null) {
        const page = await this.page(this.next, PAGE - found, signal);
        if (this.fresh) this.clear();
        this.fresh = false;
        for (const record of page.jobs) this.put(record);
        found += page.jobs.length;
        this.next = page.next;
        this.tell(found < PAGE && this.next !== null);
      }
    } catch (error) {
      if (signal.aborted) return;
      this.failure = error;
      byId("count").textContent = "";
      complain(error);
    }
    if (signal.aborted) return;
    this.loading = false;
    const full = this.rows.size >= MOST;
    byId("older").hidden = this.next === null;
    byId("older").textContent = text(full ? "go_on" : "older");
    if (this.next !== null && !full && !this.failure) this.end.observe(byId("older"));
  }

  page(before, limit, signal) {
    const asked = new URLSearchParams({ ...query(), limit, ...(before && { before }) });
    return ask(`v1/jobs?${asked}`, { signal });
  }

  clear() {
    release(body);
    body.replaceChildren();
    this.rows.clear();
    this.records.clear();
  }

  tell(looking) {
    const n = number(this.rows.size);
    const empty = !this.rows.size && !looking;
    byId("empty").hidden = !empty;
    byId("empty").textContent = empty ? text(Object.keys(query()).length || this.start ? "none" : "none_at_all") : "";
    byId("count").textContent = looking && !this.rows.size && this.next !== "g"
      ? text("looking_back", { time: when(Number(`0x${this.next.slice(0, 16)}`) / 1e9) })
      : empty ? "" : text(this.next === null && !this.start ? "shown_all" : "shown_more", { n });
    byId("jobs").hidden = !this.rows.size;
  }

  /** Show what has changed. New jobs come in by themselves only where nobody is reading. */
  async refresh() {
    if (this.loading) return;
    if (this.fresh) return this.failure?.status < 500 ? null : this.more(); // what the farm has refused stays refused
    const signal = this.signal;
    const head = this.start ? { jobs: [] } : await this.page("", PAGE, signal);
    const newest = body.firstElementChild?.dataset.job ?? "";
    const added = head.jobs.filter(({ id }) => !this.rows.has(id) && id > newest);
    const told = new Set(head.jobs.map(({ id }) => id));
    const open = [...this.records.values()].filter(each => !hasEnded(each) && !told.has(each.id)).slice(0, SINGLE);
    const single = await Promise.all(open.map(({ id }) => ask(`v1/jobs/${id}`, { signal }).catch(error => {
      if (error.status !== 404) throw error;
      return { ...this.records.get(id), status: "gone", finished: 0 };
    })));
    if (signal.aborted) return;
    for (const record of [...head.jobs, ...single]) if (this.rows.has(record.id)) this.put(record);
    const whole = added.length && added.length === head.jobs.length && this.rows.size > 0;
    if (added.length && !whole && !this.isRead()) added.reverse().forEach(record => this.put(record));
    else if (added.length) this.offer(added.length, whole);
    this.tell(false);
  }

  /** Whether a row that comes in at the top would move what somebody reads or points at. */
  isRead() {
    return !byId("new").hidden || scrollY > 40 || body.matches(":hover, :focus-within");
  }

  offer(n, whole) {
    byId("new").hidden = false;
    byId("new").textContent = text("new", { n: whole ? `${n}+` : number(n) });
  }

  /** Show a record: in its row, or in a new one at its place. */
  put(record) {
    const row = this.rows.get(record.id) ?? this.add(record);
    const before = this.records.get(record.id);
    this.records.set(record.id, record);
    if (before && JSON.stringify(before) === JSON.stringify(record) && hasEnded(record)) return;
    const [status, submitted, wait, run, acts] = [...row.cells].slice(2);
    const gone = record.status === "gone";
    status.replaceChildren(gone ? make("span", { class: "state" }, text("gone")) : state(record), ...this.remark(record));
    if (!before) submitted.replaceChildren(ago(record.created));
    wait.textContent = duration(waited(record));
    run.textContent = duration(ran(record));
    if (before?.status !== record.status) acts.replaceChildren(...this.acts(record));
  }

  add(record) {
    const link = make("a", { href: `jobs/${record.id}` }, title(record));
    const facts = [record.name ? record.task : "", source(record), record.id.slice(0, 12)].filter(Boolean).join(" · ");
    const row = make("tr", {},
      make("td", { class: "pic" }, thumbnail(record)),
      make("td", { class: "what" }, link, make("small", { class: "soft" }, facts)),
      make("td", { class: "how" }), make("td", { class: "soft at" }), make("td", { class: "figure wait" }),
      make("td", { class: "figure run" }), make("td", { class: "acts" }));
    row.dataset.job = record.id;
    this.rows.set(record.id, row);
    const last = body.lastElementChild;
    const place = !last || last.dataset.job > record.id ? null
      : [...body.children].find(each => each.dataset.job < record.id);
    body.insertBefore(row, place ?? null);
    return row;
  }

  remark(record) {
    const said = [];
    if (record.status === "running" && record.progress !== null) {
      said.push(make("progress", { value: record.progress, max: 1, "aria-label": text("state_running") }));
    }
    if (record.attempts > 1) said.push(make("small", { class: "soft" }, text("attempts", { n: record.attempts })));
    if (record.status === "failed") said.push(make("small", { class: "bad why", title: record.error }, record.error));
    return said;
  }

  acts(record) {
    const act = (word, path, options, done) => make("button", { type: "button", class: "quiet", onclick: async event => {
      event.currentTarget.disabled = true;
      try {
        await send(path, options);
        say(done);
        this.put(await ask(`v1/jobs/${record.id}`));
      } catch (error) {
        complain(error);
      }
    }, "aria-label": `${word}: ${title(record)}` }, word);
    if (record.status === "failed") {
      return [act(text("retry"), `v1/jobs/${record.id}/retry`, { method: "POST" }, text("queued_again"))];
    }
    if (record.status === "gone" || hasEnded(record)) return [];
    return [act(text("cancel_job"), `v1/jobs/${record.id}`, { method: "DELETE" }, text("is_cancelled"))];
  }
}

export const list = new List();
