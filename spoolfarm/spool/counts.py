"""Counts: what the farm has done since its spool was made, which no restart and no removal of a result sets back.

    counts/<wid>.cells    what the worker <wid> has counted: its series in a line of JSON, then a double for each
    counts/now.lines      what others have counted: in each line of JSON some series, each with what was added to it
    counts/<any>.lines    the same, until a sweep: nobody adds to it any more
    counts/totals.json    all that sweeps have put together, and the names of the files that are in it
    counts/lock           held by whoever sweeps

A worker writes to its own file, with one call for all jobs that it ran together. Others add a line. Nobody needs a lock
for either. A sweep adds the files that nobody writes to any more to the totals, which name them from then on, in the
same replacement of one file: whatever crash comes between that and their removal, nothing is counted twice.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
from array import array
from bisect import bisect_left
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from filelock import Timeout

from spoolfarm.spool import checksum, files
from spoolfarm.spool.lock import lock

log = logging.getLogger(__name__)

#: What is counted: "jobs" with task, outcome and source; "wait" and "run" with task and a bucket's upper bound or
#: "sum"; "lost" with task and reason; "restarts" with lane and reason.
Series: TypeAlias = tuple[str, ...]

#: Upper bounds of the histograms' buckets, in seconds: from a small picture to a long training.
BOUNDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0)
BUCKETS = (*map(str, BOUNDS), "inf")
#: The cells of a histogram: one for each bucket, not added up, and then the sum of what was observed.
HISTOGRAM = (*BUCKETS, "sum")
SUM = len(BUCKETS)
#: Combinations of task, outcome and source that one worker tells apart; what comes then has the source OTHER.
MOST = 1000
OTHER = "other"
#: The source of jobs that do not say who submitted them.
UNKNOWN = "unknown"
#: What no farm comes to: from here on a double is not one more after each step.
MAX = 2.0**53
#: How often the files are read again because a sweep came between.
READ_TRIES = 100

_CELLS, _LINES = ".cells", ".lines"
_NOW = f"now{_LINES}"
_DOUBLE = 8


class Counts:
    """The directory *root* of counts."""

    def __init__(self, root: str) -> None:
        self.root = root
        self._totals = f"{root}/totals.json"

    def make(self) -> None:
        """Make the directory if it is missing."""
        files.make_directory(self.root)

    def of(self, wid: str) -> WorkerCounts:
        """The counts of the worker *wid*, to be written by itself."""
        return WorkerCounts(f"{self.root}/{wid}{_CELLS}")

    def add(self, changes: Mapping[Series, float]) -> None:
        """Count what no worker counts. When the disk refuses, that is only logged: no figure is worth a job."""
        line = json.dumps([[list(series), value] for series, value in changes.items()])
        try:
            files.append(f"{self.root}/{_NOW}", line.encode() + b"\n")
        except OSError as error:
            log.warning("not counted: %s", error)

    def fold(self, alive: Callable[[str], bool]) -> None:
        """Put together what nobody writes any more: lines since the last time but one, and cells of no worker *alive*.

        Lines lie for a while before they are read, because somebody may still be adding the last one. Where another
        process is at it there is nothing to do.
        """
        with contextlib.suppress(Timeout), lock(f"{self.root}/lock", timeout=0):
            done = [
                name
                for name in self._parts()
                if name != _NOW and (name.endswith(_LINES) or not alive(name.removesuffix(_CELLS)))
            ]
            if done:
                found, folded = self._read_totals()
                for name in done:
                    if name not in folded:
                        _add(found, self._part(name))
                said = {"files": done, "series": [[list(series), value] for series, value in found.items()]}
                files.write_atomic(self._totals, checksum.seal(json.dumps(said).encode()), sync=True)
                for name in done:
                    files.remove(f"{self.root}/{name}")
            with contextlib.suppress(FileNotFoundError):
                os.rename(f"{self.root}/{_NOW}", f"{self.root}/{os.urandom(6).hex()}{_LINES}")

    def read(self) -> dict[Series, float]:
        """All that was counted so far; never less than an earlier call has found."""
        found: dict[Series, float] = {}
        for _ in range(READ_TRIES):
            before = self._version()
            found, folded = self._read_totals()
            for name in self._parts():
                if name not in folded:
                    _add(found, self._part(name))
            if self._version() == before:
                break
        return found

    def _parts(self) -> list[str]:
        """The files that count, beside the totals."""
        return [name for name in files.names(self.root) if name.endswith((_CELLS, _LINES))]

    def _version(self) -> tuple[int, frozenset[str]]:
        """Another value after each sweep."""
        lines = frozenset(name for name in self._parts() if name.endswith(_LINES))
        try:
            return os.stat(self._totals).st_ino, lines
        except FileNotFoundError:
            return 0, lines

    def _part(self, name: str) -> dict[Series, float]:
        """What the file *name* counts; nothing when it has just gone."""
        try:
            data = files.read(f"{self.root}/{name}")
        except FileNotFoundError:
            return {}
        return _cells(data) if name.endswith(_CELLS) else _lines(data)

    def _read_totals(self) -> tuple[dict[Series, float], list[str]]:
        """What the totals count, and the files that are in them and may still be there."""
        try:
            said = checksum.opened(files.read(self._totals))
            return {tuple(series): float(value) for series, value in said["series"]}, list(said["files"])
        except FileNotFoundError:
            return {}, []
        except (ValueError, KeyError, TypeError) as error:
            log.warning("%s is damaged (%s): what it counted is lost, and counted anew", self._totals, error)
            return {}, []


class WorkerCounts:
    """What one worker has counted, in memory and in the file *path*."""

    def __init__(self, path: str) -> None:
        self._path = path
        #: Where the cells of an outcome are: its own, and the first of the histograms of waiting and running.
        self._rows: dict[tuple[str, str, str], tuple[int, int, int]] = {}
        self._places: dict[Series, int] = {}
        self._cells = array("d")
        #: The open file, and where its cells begin; -1 when there is none that has all series.
        self._file, self._begin = -1, 0

    def count(self, task: str, outcome: str, source: str, wait: float, run: float) -> None:
        """Count one job that has ended after it waited and ran so many seconds."""
        row = self._rows.get((task, outcome, source)) or self._add(task, outcome, source)
        cells, (jobs, waits, runs) = self._cells, row
        cells[jobs] += 1
        if wait < 0 or run < 0:
            wait, run = max(wait, 0.0), max(run, 0.0)  # somebody has set the clock
        cells[waits + bisect_left(BOUNDS, wait)] += 1
        cells[waits + SUM] += wait
        cells[runs + bisect_left(BOUNDS, run)] += 1
        cells[runs + SUM] += run

    def write(self) -> None:
        """Let others read what was counted; when the disk refuses, the next call tries again."""
        try:
            if self._file < 0:
                self._open()
            else:
                os.pwrite(self._file, self._cells, self._begin)
        except OSError:
            self.close()

    def close(self) -> None:
        """Let go of the file, which stays."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _open(self) -> None:
        """Write the whole file in one step, and keep it open."""
        line = json.dumps([list(series) for series in self._places]).encode()
        self._begin = len(line) + 1 + -(len(line) + 1) % _DOUBLE  # a double that lies in one word is never torn
        files.write_atomic(self._path, line.ljust(self._begin - 1) + b"\n" + self._cells.tobytes())
        self._file = os.open(self._path, os.O_WRONLY | os.O_CLOEXEC)

    def _add(self, task: str, outcome: str, source: str) -> tuple[int, int, int]:
        key = task, outcome, source
        if len(self._rows) >= MOST:
            source = OTHER
        jobs = self._place(("jobs", task, outcome, source))
        waits, runs = self._histogram("wait", task), self._histogram("run", task)
        if len(self._rows) < 2 * MOST:
            self._rows[key] = jobs, waits, runs
        return jobs, waits, runs

    def _histogram(self, name: str, task: str) -> int:
        """The first cell of a histogram: the others follow it."""
        return min([self._place((name, task, each)) for each in HISTOGRAM])

    def _place(self, series: Series) -> int:
        """The cell of *series*."""
        if series not in self._places:
            self.close()  # the next write makes a file that has it
            self._places[series] = len(self._cells)
            self._cells.append(0.0)
        return self._places[series]


def ending(record: Mapping[str, Any]) -> dict[Series, float]:
    """What the end of a job counts, by its record, when no worker of this process has run it."""
    found: dict[Series, float] = {("jobs", record["task"], str(record["status"]), record.get("source") or UNKNOWN): 1.0}
    if (started := record["started"]) is not None:
        for name, seconds in (("wait", started - record["created"]), ("run", record["finished"] - started)):
            seconds = max(seconds, 0.0)
            found[name, record["task"], BUCKETS[bisect_left(BOUNDS, seconds)]] = 1.0
            found[name, record["task"], "sum"] = seconds
    return found


def _cells(data: bytes) -> dict[Series, float]:
    """What a worker's file says; nothing when a power cut left it without its beginning."""
    line, _, rest = data.partition(b"\n")
    try:
        series = [tuple(map(str, each)) for each in json.loads(line)]
        counted = zip(series, array("d", rest[: len(series) * _DOUBLE]), strict=True)
        return {each: value for each, value in counted if 0 <= value < MAX}  # else the disk has altered it
    except (ValueError, TypeError):
        return {}


def _lines(data: bytes) -> dict[Series, float]:
    """What a file of lines says; a line that a crash cut short says nothing."""
    found: dict[Series, float] = {}
    for line in data.splitlines():
        try:
            _add(found, {tuple(map(str, series)): float(value) for series, value in json.loads(line)})
        except (ValueError, TypeError):
            continue
    return found


def _add(found: dict[Series, float], more: Mapping[Series, float]) -> None:
    """Add *more* to what was *found*."""
    for series, value in more.items():
        found[series] = found.get(series, 0.0) + value
