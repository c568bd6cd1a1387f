"""The memory watch: which workers hold more memory than they may, looked at as often as they could come to it."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TypeVar

from spoolfarm.launcher.child import Child
from spoolfarm.system import memory

T = TypeVar("T", bound=Child)

#: MiB that a process can fill in a second: the kernel clears each page that it touches for the first time.
FASTEST = 4096.0
#: The least and the most seconds between two looks.
CLOSEST, FARTHEST = 0.05, 1.0
#: The part of the machine's memory that a worker may hold at most, whatever the setting says.
PART = 0.75


class MemoryWatch:
    """Looks at the resident memory of workers; its own process does so when it is *due*."""

    def __init__(self, limit_mb: int) -> None:
        """*limit_mb* is in MiB for each worker; 0 means none."""
        self.limit_mb = min(limit_mb, int(memory.there_is_mb() * PART)) if limit_mb else 0
        #: When to look again, by time.monotonic().
        self.due = 0.0

    def over(self, workers: Iterable[T]) -> list[tuple[T, int]]:
        """Those of *workers* that are over the limit, with the MiB that each holds; none before it is due."""
        now = time.monotonic()
        if not self.limit_mb or now < self.due:
            return []
        held = [(worker, memory.resident_mb(worker.pid or 0)) for worker in workers]
        room = max(0.0, self.limit_mb - max((mb for _, mb in held), default=0.0))
        self.due = now + min(max(room / FASTEST, CLOSEST), FARTHEST)
        return [(worker, int(mb)) for worker, mb in held if mb > self.limit_mb]
