"""The stats: what a worker has done so far, and in each second of the last minute, for others to read."""

from __future__ import annotations

import time
from collections import deque
from typing import Any

from spoolfarm.spool.rates import REMEMBERED, TELL


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
