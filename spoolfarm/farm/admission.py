"""Admission: whether the spool can take one more job."""

from __future__ import annotations

import os
import threading
import time

from spoolfarm.errors import SpoolFull, SpoolUnavailable
from spoolfarm.spool.spool import Spool

#: Free inodes below which nothing new is accepted.
MIN_INODES = 1000
#: Seconds for which a look at the disk and at the queue is good.
FRESH = 1.0
#: A count of the queue is good for so many times as long as it took, so that a deep queue is not counted all the time.
COUNT_SHARE = 20


class Admission:
    """Counts what this process submits since the last look at the queue, and looks again before it refuses."""

    def __init__(self, spool: Spool, *, limit: int, min_free_mb: int) -> None:
        self._spool = spool
        self._limit = limit
        self._min_free = min_free_mb * 2**20
        self._lock = threading.Lock()
        self._queued = 0
        self._counted = self._stale = self._disk_stale = 0.0

    def take(self, count: int = 1) -> None:
        """Raise SpoolFull or SpoolUnavailable when there is no room, else count so many more jobs."""
        now = time.monotonic()
        with self._lock:
            if now >= self._disk_stale:
                self.check()
                self._disk_stale = now + FRESH
            if now >= self._stale or (self._queued + count > self._limit and now >= self._counted):
                self._count(now)
            if self._queued + count > self._limit:
                raise SpoolFull(f"{self._queued} jobs are waiting; try later, raise FARM_MAX_QUEUED or add workers")
            self._queued += count

    def check(self) -> None:
        """Raise SpoolUnavailable when the spool cannot be written, or its disk is all but full."""
        disk = os.statvfs(self._spool.root)
        if disk.f_bavail * disk.f_frsize < self._min_free:
            raise SpoolUnavailable(
                f"the spool's disk has only {disk.f_bavail * disk.f_frsize >> 20} MiB left; make room, or lower "
                "FARM_MIN_FREE_MB"
            )
        if disk.f_files and disk.f_favail < MIN_INODES:
            raise SpoolUnavailable(f"the spool's disk has only {disk.f_favail} inodes left; make room")
        if disk.f_flag & os.ST_RDONLY or not os.access(self._spool.tmp, os.W_OK):
            raise SpoolUnavailable("the spool cannot be written to")

    def _count(self, now: float) -> None:
        self._queued = sum(self._spool.count().values())
        took = time.monotonic() - now
        self._counted = now + took * COUNT_SHARE
        self._stale = max(self._counted, now + FRESH)
