"""The history: how a farm has done in the last hours, by what its counts said every ten seconds.

    spool/history    a line for each time at which they had changed, so that a front that starts goes on from there

The counts are those of the whole spool, whoever has submitted and done the jobs. Of a line, and of the one before it,
what was done between the two follows; so a line that is missing makes the curve coarser there, and loses nothing.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from bisect import bisect_right
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from spoolfarm.spool import files
from spoolfarm.spool.counts import BOUNDS
from spoolfarm.spool.spool import Spool

log = logging.getLogger(__name__)

#: Seconds between two looks, and for which they are kept.
STEP, KEPT = 10.0, 3 * 3600.0
#: So many times as many lines as are kept may lie in the file before it is written anew.
SPARE = 2
#: What is counted of the jobs of a task.
OUTCOMES = ("succeeded", "failed", "cancelled")
#: The quantiles that are told of waiting and running.
QUANTILES = (0.5, 0.95)


@dataclass(frozen=True, slots=True)
class Moment:
    """A farm at one time."""

    #: Seconds since the epoch.
    at: float
    #: The jobs that waited, by task, and how many ran.
    queued: Mapping[str, int] = field(default_factory=dict)
    running: int = 0
    #: What had been counted so far: by `jobs/TASK/OUTCOME`, and `wait/TASK/BOUND` and `run/TASK/BOUND` in seconds.
    counts: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, spool: Spool) -> Moment:
        """*spool* now."""
        counts: dict[str, float] = {}
        for (kind, *labels), value in spool.counts.read().items():
            if kind in ("jobs", "wait", "run") and labels[1] != "sum":
                name = "/".join((kind, *labels[:2]))
                counts[name] = counts.get(name, 0.0) + value
        queued = {task: number for task, number in spool.count().items() if number}
        return cls(round(time.time(), 1), queued, sum(map(len, spool.running().values())), counts)

    @classmethod
    def parsed(cls, line: bytes) -> Moment:
        """The moment that *line* tells of. Raises ValueError when it tells of none."""
        said = json.loads(line)
        if not isinstance(said, dict):
            raise ValueError("a line is an object")
        try:
            queued = {str(task): int(number) for task, number in said["queued"].items()}
            counts = {str(name): float(value) for name, value in said["counts"].items()}
            return cls(float(said["at"]), queued, int(said["running"]), counts)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError("a line has a moment's fields") from error

    def line(self) -> bytes:
        """The moment as a line of the file."""
        said = {"at": self.at, "queued": self.queued, "running": self.running, "counts": self.counts}
        return json.dumps(said, separators=(",", ":")).encode() + b"\n"

    def same(self, other: Moment) -> bool:
        """Whether nothing has happened between the two."""
        return (self.queued, self.running, self.counts) == (other.queued, other.running, other.counts)


class History:
    """The last hours of *spool*. `keep` looks at it from time to time; until then there is what the file tells."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._path = f"{spool.root}/history"
        self._lock = threading.Lock()
        self._moments = deque(self._read())
        self._written = len(self._moments)
        self._end = threading.Event()
        self._thread: threading.Thread | None = None

    def keep(self) -> None:
        """Look every ten seconds from now on, in a thread."""
        self._thread = threading.Thread(target=self._run, name="history", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Look no more."""
        self._end.set()
        if self._thread is not None:
            self._thread.join()

    def look(self) -> None:
        """Take note of what has been done; when the disk refuses, only in memory."""
        moment = Moment.of(self._spool)
        with self._lock:
            before = self._moments[-1] if self._moments else None
            self._moments.append(moment)
            if before is not None and len(self._moments) > 2 and moment.same(before) and before.same(self._moments[-3]):
                del self._moments[-2]  # nothing happens: the ends of that time are enough
            while len(self._moments) > 1 and self._moments[1].at < moment.at - KEPT:
                self._moments.popleft()
            if before is None or not moment.same(before):
                self._write(moment)

    def points(self, since: float = 0.0) -> list[dict[str, Any]]:
        """What was done in each time that ended after *since*, the oldest first: see `_point`."""
        with self._lock:
            moments = list(self._moments)
        first = max(bisect_right([each.at for each in moments], since), 1)
        return [_point(before, after) for before, after in pairwise(moments[first - 1 :])]

    def _run(self) -> None:
        while not self._end.is_set():
            try:
                self.look()
            except OSError as error:
                log.warning("the history has a gap: %s", error)  # no descriptor is left, perhaps
            self._end.wait(STEP)

    def _read(self) -> Iterator[Moment]:
        """The moments in the file that are recent enough, in their order; a line that a crash cut short tells none."""
        try:
            lines = files.read(self._path).splitlines()
        except OSError:
            return
        earliest, last = time.time() - KEPT, 0.0
        for line in lines:
            try:
                moment = Moment.parsed(line)
            except (ValueError, RecursionError):
                continue
            if earliest < moment.at <= time.time() and moment.at > last:
                last = moment.at
                yield moment

    def _write(self, moment: Moment) -> None:
        """Add a line; write the file anew when most of its lines are too old."""
        try:
            if self._written > SPARE * KEPT / STEP:
                files.write_atomic(self._path, b"".join(each.line() for each in self._moments))
                self._written = len(self._moments)
            else:
                files.append(self._path, moment.line())
                self._written += 1
        except OSError as error:
            log.warning("the history is not written: %s", error.strerror)


def _point(before: Moment, after: Moment) -> dict[str, Any]:
    """What was done between the two: when it began and ended, what waited and ran at its end, and by task:

    how many `succeeded`, `failed` and were `cancelled`, and the median and the 95th percentile of `wait` and `run`.
    """
    more = {name: value - before.counts.get(name, 0.0) for name, value in after.counts.items()}
    found: dict[str, dict[str, Any]] = {}
    cells: dict[tuple[str, str], dict[float, float]] = {}
    for name, value in more.items():
        kind, task, label = name.split("/")
        if value <= 0:
            continue  # or somebody has emptied the spool
        if kind == "jobs":
            found.setdefault(task, {})[label] = int(value)
        else:
            cells.setdefault((task, kind), {})[float(label)] = value
    for (task, kind), histogram in cells.items():
        found.setdefault(task, {})[kind] = [quantile(histogram, share) for share in QUANTILES]
    about = {"from": before.at, "at": after.at, "queued": after.queued, "running": after.running}
    return {**about, "tasks": found}


def quantile(histogram: Mapping[float, float], share: float) -> float:
    """The value below which *share* of what was observed lies, by how many lay at most at each upper bound.

    Within a bucket they are taken to be spread evenly; what lies above all bounds is taken to be at the last.
    """
    wanted, lower = share * sum(histogram.values()), 0.0
    for bound in BOUNDS:
        here = histogram.get(bound, 0.0)
        if here and wanted <= here:
            return round(lower + (bound - lower) * wanted / here, 4)
        wanted, lower = wanted - here, bound
    return BOUNDS[-1]
