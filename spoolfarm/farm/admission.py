"""Admission: whether the spool can take one more job."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence

from spoolfarm.errors import SpoolFull, SpoolUnavailable
from spoolfarm.spool.spool import Spool

#: Free inodes below which nothing new is accepted.
MIN_INODES = 1000
#: Seconds for which a check of the disk and the queue stays valid.
FRESH = 1.0
#: A count of the queue stays valid for this many times as long as it took, so that a deep queue is not counted
#: constantly.
COUNT_SHARE = 20


class Admission:
    """Counts what this process has submitted since it last counted the queue, and counts again before it refuses."""

    def __init__(self, spool: Spool, *, limit: int, min_free_mb: int, others: Sequence[str] = ()) -> None:
        """*others*: directories beside spool and results that jobs write to."""
        self._spool = spool
        #: What is kept on the disks that must have room, by directory.
        self._places = {spool.root: "the spool", spool.results.root: "the results", **dict.fromkeys(others, "the data")}
        self._limit = limit
        self._min_free = min_free_mb * 2**20
        self._lock = threading.Lock()
        self._queued = 0
        self._counted = self._stale = self._disk_stale = 0.0

    def take(self, count: int = 1) -> None:
        """Raise SpoolFull or SpoolUnavailable when there is no room, otherwise count that many more jobs."""
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

    def problem(self) -> str:
        """What `check` would raise; nothing when all is well."""
        try:
            self.check()
        except SpoolUnavailable as error:
            return str(error)
        return ""

    def check(self) -> None:
        """Raise SpoolUnavailable when spool or results cannot be written, or a disk of theirs or the data's is full."""
        for path, name in self._places.items():
            try:
                self._check_room(os.statvfs(path), name)
            except FileNotFoundError:
                continue  # it is made when something is written to it
        for path in (self._spool.tmp, self._spool.queue, self._spool.results.root):
            if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
                raise SpoolUnavailable(f"{path} cannot be read and written")

    def _check_room(self, disk: os.statvfs_result, name: str) -> None:
        free = disk.f_bavail * disk.f_frsize
        if free < self._min_free:
            raise SpoolUnavailable(
                f"the disk of {name} has only {free >> 20} MiB left; make room, or lower FARM_MIN_FREE_MB"
            )
        if disk.f_files and disk.f_favail < MIN_INODES:
            raise SpoolUnavailable(f"the disk of {name} has only {disk.f_favail} inodes left; make room")
        if disk.f_flag & os.ST_RDONLY:
            raise SpoolUnavailable(f"the disk of {name} is mounted read-only")

    def _count(self, now: float) -> None:
        self._queued = sum(self._spool.count().values())
        took = time.monotonic() - now
        self._counted = now + took * COUNT_SHARE
        self._stale = max(self._counted, now + FRESH)
