"""The listing: the jobs that a query means, the newest first, page by page; each page in bounded time.

Queued jobs are found in their buckets, slot by slot, running ones with their workers, and ended ones by the index. Each
of the three says what it has found and down to which id it has looked: a page ends where the first of them stopped,
full or not, and the next one begins there.
"""

from __future__ import annotations

import os
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any, TypeAlias, TypeVar

from spoolfarm.errors import UnknownJob
from spoolfarm.farm.query import Query
from spoolfarm.farm.records import Records
from spoolfarm.spool import files
from spoolfarm.spool.buckets import SETTLED, buckets
from spoolfarm.spool.index import DIGITS, ID_DIGITS, known, slot_of
from spoolfarm.spool.job import State
from spoolfarm.spool.job import slot_of as bucket_slot_of
from spoolfarm.spool.jobfile import JobFile, job_file
from spoolfarm.spool.results import ID
from spoolfarm.spool.spool import Spool

#: Seconds of work, and of waiting for the disk too, after which each of the three ends the page, full or not.
BUDGET, PATIENCE = 0.05, 0.25
#: Seconds that a comparison of results and index may take to be made for every page; one that takes longer is made
#: again after so many times as long.
FREE, SHARE = 0.01, 20
#: A job to look at: its file, or the id of one that has ended.
Candidate = TypeVar("Candidate", JobFile, str)
#: What has been found, and the id down to which that is all; an empty one when all has been seen.
Found: TypeAlias = tuple[list[dict[str, Any]], str]


@dataclass(frozen=True, slots=True)
class Page:
    """Some of the jobs that a query means."""

    records: list[dict[str, Any]]
    #: Where the next page begins: at the jobs with an id below this one. None when there is no more.
    next: str | None


class Listing:
    """The jobs of *spool*, each as *records* shows it."""

    def __init__(self, spool: Spool, records: Records) -> None:
        self._spool = spool
        self._records = records
        self._ended = EndedJobs(spool)

    def page(self, query: Query, before: str, limit: int) -> Page:
        """At most *limit* of the jobs with an id below *before*; there may be more even if there are fewer."""
        before = query.highest(before)
        found: dict[str, dict[str, Any]] = {}
        end = ""
        for look in self._looks(query):  # in the order of a job's life, so that none that moves on is missed
            records, down_to = look(query, before, limit)
            found |= {record["id"]: record for record in records}
            end = max(end, down_to)
        ids = sorted((job_id for job_id in found if job_id >= end), reverse=True)[:limit]
        more = ids[-1] if len(ids) == limit else end.ljust(ID_DIGITS, "0") if end else None
        return Page([found[job_id] for job_id in ids], more)

    def pages(self, query: Query, before: str, limit: int) -> Iterator[dict[str, Any]]:
        """The first *limit* jobs below *before*, as many pages as they take."""
        while limit:
            page = self.page(query, before, limit)
            yield from page.records
            if page.next is None:
                return
            before, limit = page.next, limit - len(page.records)

    def _looks(self, query: Query) -> Iterator[Callable[[Query, str, int], Found]]:
        if query.status in (None, State.QUEUED) and not query.error:
            yield self._queued
        if query.status in (None, State.RUNNING) and not query.error:
            yield self._running
        if query.status not in (State.QUEUED, State.RUNNING):
            yield self._of_ended

    def _queued(self, query: Query, before: str, limit: int) -> Found:
        return _choose(self._queued_files(query, before), self._record, query, limit)

    def _running(self, query: Query, before: str, limit: int) -> Found:
        running = [file for claimed in self._spool.running().values() for file in claimed]
        return _choose(_newest(running, query, before), self._record, query, limit)

    def _of_ended(self, query: Query, before: str, limit: int) -> Found:
        self._ended.compare_if_due()
        found = _choose(self._ended.candidates(query, before), self._ended_record, query, limit)
        self._ended.note()
        return found

    def _record(self, file: JobFile) -> dict[str, Any] | None:
        try:
            return self._records.of(file)
        except UnknownJob:
            return None  # it has moved on and expired meanwhile

    def _ended_record(self, job_id: str) -> dict[str, Any] | None:
        if not ID.fullmatch(job_id):
            return None  # the end of a slot, or of a damaged line
        record = self._records.of_ended(job_id)
        self._ended.seen(job_id, record)
        return record

    def _queued_files(self, query: Query, before: str) -> Iterator[JobFile]:
        queue = self._spool.queue
        tasks = files.names(queue) if query.task is None else [query.task]
        places = sorted(buckets(queue, tasks), key=lambda place: place.name[1:], reverse=True)
        for slot, here in groupby(places, key=lambda place: place.name[1:]):
            if bucket_slot_of(query.lowest) <= slot <= bucket_slot_of(before):
                names = sorted((name, place.path) for place in here for name in files.names(place.path))
                for name, path in reversed(names):
                    if query.lowest <= name < before and (file := job_file(path, name, State.QUEUED)):
                        yield file


def _choose(
    candidates: Iterable[Candidate],
    record_of: Callable[[Candidate], dict[str, Any] | None],
    query: Query,
    limit: int,
) -> Found:
    """Those of *candidates*, which come in order, that are meant.

    What it takes to find the first candidate of a slot counts only at the end of the slot, or a large one would never
    be passed.
    """
    records: list[dict[str, Any]] = []
    work = waiting = 0.0
    deadline = time.monotonic() + PATIENCE
    for each in candidates:
        worked, waited = time.thread_time(), time.monotonic()
        if (record := record_of(each)) is not None and query.fits(record):
            records.append(record)
        work += time.thread_time() - worked
        waiting += time.monotonic() - waited
        slot_ends = isinstance(each, str) and len(each) < ID_DIGITS
        if len(records) == limit or work > BUDGET or waiting > PATIENCE or (slot_ends and waited > deadline):
            return records, each if isinstance(each, str) else each.id
    return records, ""


class EndedJobs:
    """The ended jobs of *spool*, found by the index, and those that are not in it yet."""

    def __init__(self, spool: Spool) -> None:
        self._results = spool.results
        self._index = spool.results.index
        self._dead = spool.dead
        #: By slot: ids that have no line, in order; and what was compared, to be compared again only when it has
        #: changed.
        self._missing: dict[str, list[str]] = {}
        self._compared: dict[str, tuple[int, int]] = {}
        #: The records of missing ones, as far as they have been read.
        self._seen: dict[str, dict[str, Any] | None] = {}
        #: When the directories were changed last, at the comparison, and when to compare again, by time.monotonic().
        self._changed: tuple[int, ...] = ()
        self._due = 0.0

    def candidates(self, query: Query, before: str) -> Iterator[str]:
        """The ids of ended jobs below *before* that *query* may mean, the newest first, and each slot at its end."""
        lowest = query.lowest
        for slot in sorted({*self._index.slots(), *self._missing}, reverse=True):
            if lowest[:DIGITS] <= slot and slot.ljust(ID_DIGITS, "0") < before:
                chosen = query.suggested(self._index, slot) + self._missing.get(slot, [])
                ids = sorted(dict.fromkeys(chosen))  # nearly sorted, which sorts fast
                yield from reversed(ids[bisect_left(ids, lowest) : bisect_left(ids, before)])
                yield slot

    def seen(self, job_id: str, record: dict[str, Any] | None) -> None:
        """The *record* of a job has been read; None when it is gone."""
        if self._missing and job_id not in self._seen:
            missing = self._missing.get(slot_of(job_id), [])
            at = bisect_left(missing, job_id)
            if at < len(missing) and missing[at] == job_id:
                self._seen[job_id] = record

    def note(self) -> None:
        """Have the index learn of those jobs seen that it did not know."""
        seen, self._seen = self._seen, {}
        self._index.add(*(record for record in seen.values() if record is not None))
        for slot in sorted({slot_of(job_id) for job_id in seen}):
            self._missing[slot] = [job_id for job_id in self._missing[slot] if job_id not in seen]
            if not self._missing[slot]:
                del self._missing[slot]

    def compare_if_due(self) -> None:
        """Compare the index with the results, if they may have changed and it does not take too long too often."""
        changed = tuple(_changed(root) for root in (self._results.root, self._dead.root))
        settled = time.time_ns() - max(changed, default=0) > SETTLED
        if (settled and changed == self._changed) or time.monotonic() < self._due:
            return
        self._changed = changed
        begin = time.monotonic()
        self._compare()
        cost = time.monotonic() - begin
        self._due = time.monotonic() + (SHARE * cost if cost > FREE else 0.0)

    def _compare(self) -> None:
        """Find which ended jobs have no line in the index, and remove the lines of those that are gone."""
        there: dict[str, set[str]] = {}
        for job_id in [*self._results.ids(), *self._dead.ids()]:
            there.setdefault(slot_of(job_id), set()).add(job_id)
        compared, self._compared = self._compared, {}
        missing, self._missing = self._missing, {}
        for slot in sorted({*there, *self._index.slots()}):
            ids = there.get(slot, set())
            state = hash(frozenset(ids)), self._index.size(slot)
            if state == compared.get(slot):
                if slot in missing:
                    self._missing[slot] = missing[slot]
                self._compared[slot] = state
            elif self._agrees(slot, ids):
                self._compared[slot] = state

    def _agrees(self, slot: str, ids: set[str]) -> bool:
        """Note those of *ids* that have no line. False when the slot has been rewritten, which may have cost some."""
        lines = self._index.lines(slot)
        told = known(lines)
        if missing := ids - told:
            self._missing[slot] = sorted(missing)
        if len(told - ids) <= len(ids):
            return True
        self._index.replace(slot, [line for line in lines if line[0] in ids])
        return False


def _newest(found: Iterable[JobFile], query: Query, before: str) -> list[JobFile]:
    """Those of *found* whose ids *query* may mean, the newest first."""
    lowest = query.lowest
    return sorted((file for file in found if lowest <= file.id < before), key=lambda file: file.id, reverse=True)


def _changed(directory: str) -> int:
    try:
        return os.stat(directory).st_mtime_ns
    except FileNotFoundError:
        return 0
