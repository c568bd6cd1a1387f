"""The stats: what a worker has done so far, and in each second of the last minute, for others to read."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

#: Seconds that are reported one by one.
REMEMBERED = 60
#: Seconds between two reports of a busy worker.
TELL = 1.0


class WorkerStats:
    """Counts jobs that ended, by task; a report writes a file, so it is due once a second at most."""

    def __init__(self) -> None:
        self._tasks: dict[str, _Counts] = {}
        self._told = 0.0
        self._news = False

    def count(self, task: str, *, failed: bool) -> None:
        """Count one job of *task* that has ended."""
        counts = self._tasks.get(task)
        if counts is None:
            counts = self._tasks[task] = _Counts()
        counts.add(int(time.time()), failed)
        self._news = True

    @property
    def due(self) -> bool:
        """Whether there is something to report, and it is time."""
        return self._news and time.monotonic() - self._told >= TELL

    def tell(self) -> dict[str, Any]:
        """Per task, how many have `ended`, how many of these `failed`, and both by second: [second, ended, failed]."""
        self._told = time.monotonic()
        self._news = False
        return {task: counts.record() for task, counts in self._tasks.items()}


class _Counts:
    def __init__(self) -> None:
        self._ended = self._failed = 0
        self._seconds: deque[list[int]] = deque(maxlen=REMEMBERED + 2)
        #: The second that is counted now.
        self._last = [-1, 0, 0]

    def add(self, second: int, failed: bool) -> None:
        self._ended += 1
        self._failed += failed
        if self._last[0] != second:
            self._last = [second, 0, 0]
            self._seconds.append(self._last)
        self._last[1] += 1
        self._last[2] += failed

    def record(self) -> dict[str, Any]:
        return {"ended": self._ended, "failed": self._failed, "seconds": list(self._seconds)}


@dataclass(frozen=True, slots=True)
class Rate:
    """How many jobs of one task the workers do."""

    #: Jobs per second that ended, successfully or not, over the last 10 s and the last minute.
    ten: float = 0.0
    minute: float = 0.0
    #: How many failed in the last minute.
    failed: int = 0


def rates(workers: Iterable[Mapping[str, Any]], now: float) -> dict[str, Rate]:
    """The rate of each task, from what living *workers* report, at the time.time() *now*.

    Only seconds that every worker has had time to report are counted.
    """
    last = int(now - TELL) - 1
    found: dict[str, Rate] = {}
    for worker in workers:
        for task, counts in worker.get("done", {}).items():
            rate = found.get(task, Rate())
            ten = sum(ended for second, ended, _ in counts["seconds"] if last - 10 < second <= last)
            minute = [each for each in counts["seconds"] if last - REMEMBERED < each[0] <= last]
            found[task] = Rate(
                rate.ten + ten / 10,
                rate.minute + sum(ended for _, ended, _ in minute) / REMEMBERED,
                rate.failed + sum(failed for _, _, failed in minute),
            )
    return found
