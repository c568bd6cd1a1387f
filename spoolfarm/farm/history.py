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
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
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
        #: What was done from look to look, the oldest first, and the last of them.
        self._points: deque[dict[str, Any]] = deque()
        self._last: Moment | None = None
        #: Whether nothing had changed between the last two.
        self._quiet = False
        #: The lines of the file, once it has been read.
        self._lines: int | None = None
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
            self._read()
            before = self._last
            self._note(moment)
            if before is None or not moment.same(before):
                self._write(moment)

    def points(self, since: float = 0.0) -> list[dict[str, Any]]:
        """What was done in each time that ended after *since*, the oldest first: see `_point`."""
        with self._lock:
            self._read()
            return [point for point in self._points if point["at"] > since]

    def _run(self) -> None:
        while not self._end.is_set():
            try:
                self.look()
            except OSError as error:
                log.warning("the history has a gap: %s", error)  # no descriptor is left, perhaps
            self._end.wait(STEP)

    def _note(self, moment: Moment) -> None:
        """Add what was done until *moment*."""
        before, self._last = self._last, moment
        if before is None:
            return
        was_quiet, self._quiet = self._quiet, moment.same(before)
        if was_quiet and self._quiet:
            self._points[-1] = {**self._points[-1], "at": moment.at}  # all that time nothing happened
        else:
            self._points.append(_point(before, moment))
        while self._points and self._points[0]["at"] < moment.at - KEPT:
            self._points.popleft()

    def _read(self) -> None:
        """Recall what the file tells, once: that takes a while, so a front that starts does not wait for it."""
        if self._lines is not None:
            return
        try:
            lines = files.read(self._path).splitlines()
        except OSError:
            lines = []
        self._lines = len(lines)
        now = time.time()
        for line in lines[-int(KEPT / STEP) - 1 :]:
            try:
                moment = Moment.parsed(line)
            except (ValueError, RecursionError):
                continue  # a crash cut it short
            if (self._last.at if self._last else now - KEPT) < moment.at <= now:
                self._note(moment)

    def _write(self, moment: Moment) -> None:
        """Add a line; write the file anew when most of its lines are too old."""
        line, lines = moment.line(), self._lines or 0
        try:
            if lines > SPARE * KEPT / STEP:
                kept = files.read(self._path).splitlines(keepends=True)[-int(KEPT / STEP) :]
                files.write_atomic(self._path, b"".join([*kept, line]))
                self._lines = len(kept) + 1
            else:
                files.append(self._path, line)
                self._lines = lines + 1
        except OSError as error:
            log.warning("the history is not written: %s", error.strerror)


def _point(before: Moment, after: Moment) -> dict[str, Any]:
    """What was done between the two: when it began and ended, what waited and ran at its end, and by task:

    how many `succeeded`, `failed` and were `cancelled`, and the median and the 95th percentile of `wait` and `run`.
    """
    found: dict[str, dict[str, Any]] = {}
    cells: dict[tuple[str, str], dict[float, float]] = {}
    for name, counted in after.counts.items():
        value = counted - before.counts.get(name, 0.0)
        if value <= 0:
            continue  # or somebody has emptied the spool
        kind, task, label = name.split("/")
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
