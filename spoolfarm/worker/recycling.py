"""Recycling: when a worker has done so much, or grown so large, that a new one should take its place."""

from __future__ import annotations

import time

from spoolfarm.system import memory

#: Seconds between checks of the memory this process holds.
MEMORY_LOOK = 1.0


class Recycling:
    """Whether a worker has done so much, or grown so large, that a new one should take its place."""

    def __init__(self, jobs: int, memory_mb: int, most_mb: int = 0) -> None:
        """*most_mb* is what kills a worker in the middle of a job: it makes way at half of that, too."""
        self._jobs = jobs
        self._memory_mb = min(memory_mb, most_mb // 2) if memory_mb and most_mb else memory_mb
        self._next_look = 0.0

    def __call__(self, done: int) -> bool:
        """True when it is, after *done* jobs; the memory is checked once in a while. A limit of 0 means none."""
        if self._jobs and done >= self._jobs:
            return True
        if not self._memory_mb or not done or time.monotonic() < self._next_look:
            return False
        self._next_look = time.monotonic() + MEMORY_LOOK
        return memory.resident_mb() > self._memory_mb
