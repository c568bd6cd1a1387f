"""The ledger of the soak: what was asked at which face, what was promised, how it ended, and what must never be."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from benchmarks.soak_tasks import BAD, GOOD, POISON, SLOW, digest

#: How often each manner is asked for, of all.
MANNERS = {GOOD: 80, SLOW: 14, BAD: 4, POISON: 2}
#: The most bytes of one item, beside its head.
MOST = 4096
#: The code of a job whose workers all died. Kills may hit any job so often, not only poison.
DIED = "worker_died"
#: How an item of each manner may end: a status, or the code of a failure.
ENDS: Mapping[str, frozenset[str]] = {
    GOOD: frozenset({"succeeded", DIED}),
    SLOW: frozenset({"succeeded", DIED}),
    BAD: frozenset({"task_error", DIED}),
    POISON: frozenset({DIED}),
}


@dataclass(frozen=True)
class Item:
    """One thing that is asked for once, under a name of its own."""

    face: str
    name: str
    manner: str
    data: bytes

    @property
    def digest(self) -> str:
        """What its job has to say."""
        return digest(self.data)


@dataclass
class Promise:
    """One item that a face has accepted, and how its asker saw it end."""

    item: Item
    #: Empty where the face tells none.
    job_id: str = ""
    #: Whether its asker has cancelled it.
    cancelled: bool = False
    #: Status and time of the end that was seen first.
    end: tuple[str, float] | None = None


@dataclass
class Ledger:
    """All threads of the soak write into it."""

    #: The first of what was found wrong, in words; `wrong` counts all.
    violations: list[str] = field(default_factory=list)
    #: Counts by face: asked, promised, ended, refused.
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    #: What was found wrong, by kind: lost, doubled, wrong.
    wrong: Counter[str] = field(default_factory=Counter)
    promises: dict[str, Promise] = field(default_factory=dict)
    #: Names of items whose asker got no answer: nothing was promised, and a job may be there all the same.
    unanswered: set[str] = field(default_factory=set)
    #: Names of items that nobody could end: each leaves a dead letter, whatever was promised.
    died: set[str] = field(default_factory=set)
    #: How often an item ended to its asker, by name.
    endings: Counter[str] = field(default_factory=Counter)
    _numbers: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def item(self, face: str, random: Random, manners: Mapping[str, int] = MANNERS) -> Item:
        """A new item for *face*."""
        [manner] = random.choices(list(manners), list(manners.values()))
        with self._lock:
            self._numbers[face] += 1
            self.counts[face, "asked"] += 1
            name = f"{face}-{self._numbers[face]}"
        noise = random.randbytes(random.randrange(MOST)).hex()
        return Item(face, name, manner, f"{manner} {name} {noise}".encode())

    def promise(self, item: Item, job_id: str = "") -> Promise:
        """The farm has accepted *item*. A second promise of one item is the same one."""
        with self._lock:
            known = self.promises.get(item.name)
            if known is None:
                known = self.promises[item.name] = Promise(item, job_id)
                self.counts[item.face, "promised"] += 1
        if known.job_id != job_id:
            self.violate("doubled", f"{item.name} is job {known.job_id}, and {job_id}, too")
        return known

    def refuse(self, item: Item, *, unanswered: bool = False) -> None:
        """The farm has not accepted *item*; *unanswered*: nobody knows."""
        with self._lock:
            self.counts[item.face, "refused"] += 1
            if unanswered:
                self.unanswered.add(item.name)

    def answer(self, item: Item, how: str, said: object = None) -> None:
        """*item* has ended before its asker's eyes: a status or the code of its failure, and the digest it *said*."""
        with self._lock:
            self.counts[item.face, "ended"] += 1
            self.endings[item.name] += 1
            if how == DIED:
                self.died.add(item.name)
            twice = self.endings[item.name] > 1
        if twice:
            self.violate("doubled", f"{item.name} has ended twice")
        self._judge(item, how, said)

    def see(self, promise: Promise, record: Mapping[str, Any]) -> None:
        """The *record* of a promised job, which has ended; the first time that it is seen it counts as its answer."""
        end = (str(record["status"]), float(record["finished"]))
        if promise.end is not None:
            if promise.end != end:
                self.violate("doubled", f"{promise.item.name} ended as {promise.end}, and then as {end}")
            return
        promise.end = end
        how = record["status"] if record["status"] != "failed" else record["code"]
        self.answer(promise.item, how, (record.get("result") or {}).get("digest"))

    def _judge(self, item: Item, how: str, said: object) -> None:
        promise = self.promises.get(item.name)
        if how == "cancelled" and promise is not None and promise.cancelled:
            return
        if how not in ENDS[item.manner]:
            self.violate("wrong", f"{item.name}, which was {item.manner}, ended as {how}")
        elif how == "succeeded" and said != item.digest:
            self.violate("wrong", f"{item.name} said {said}, not {item.digest}")

    def violate(self, kind: str, what: str) -> None:
        """Note that something happened that must never happen: *kind* is lost, doubled, wrong or left."""
        with self._lock:
            self.wrong[kind] += 1
            if len(self.violations) < 50:
                self.violations.append(f"{kind}: {what}")

    def told(self) -> str:
        """One line of where it stands."""
        with self._lock:
            sums = {key: sum(n for (_, each), n in self.counts.items() if each == key) for key in ("asked", "promised")}
            ended = self.endings.total()
        wrong = sum(self.wrong.values())
        return f"{sums['asked']} asked, {sums['promised']} promised, {ended} ended, {wrong} wrong"

    def open_promises(self) -> list[Promise]:
        """Those that have not ended yet before their asker's eyes."""
        with self._lock:
            return [promise for name, promise in self.promises.items() if not self.endings[name]]

    def check_runs(self, lines: Iterable[str], attempts: int) -> int:
        """Judge what the tasks noted: no attempt begins twice, no item is two jobs; how often a job began."""
        begun: Counter[tuple[str, str]] = Counter()
        ids: dict[str, set[str]] = {}
        for line in lines:
            job_id, attempt, name = line.split()
            begun[job_id, attempt] += 1
            ids.setdefault(name, set()).add(job_id)
            if int(attempt) > attempts:
                self.violate("wrong", f"{name} was attempted {attempt} times")
        for (job_id, attempt), count in begun.items():
            if count > 1:
                self.violate("doubled", f"attempt {attempt} of job {job_id} has begun {count} times")
        for name, found in ids.items():
            if len(found) > 1 and not name.startswith("batch"):  # a batch that was killed does them again
                self.violate("doubled", f"{name} was {len(found)} jobs: {sorted(found)}")
        return begun.total()
