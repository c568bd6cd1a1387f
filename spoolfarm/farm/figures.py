"""Figures: how many jobs and workers a farm has, and how much room its disk has."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spoolfarm.spool import lease
from spoolfarm.spool.spool import Spool


@dataclass(frozen=True, slots=True)
class Figures:
    """A farm at one moment."""

    #: Jobs that wait for a worker, by task; tasks without any may be left out.
    queued: Mapping[str, int]
    #: Jobs that a worker has.
    running: int
    #: Jobs that failed for good.
    dead: int
    #: What each living worker says about itself.
    workers: Sequence[Mapping[str, Any]]
    #: Bytes on the spool's disk.
    free_bytes: int
    total_bytes: int


def count(spool: Spool) -> Figures:
    """The figures of *spool* now."""
    disk = os.statvfs(spool.root)
    return Figures(
        queued=spool.count(),
        running=sum(map(len, spool.running().values())),
        dead=len(spool.dead.ids()),
        workers=lease.ready(spool.workers),
        free_bytes=disk.f_bavail * disk.f_frsize,
        total_bytes=disk.f_blocks * disk.f_frsize,
    )
