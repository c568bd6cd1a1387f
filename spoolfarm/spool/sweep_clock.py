"""The clock of sweeps: the time of day, of which one sweep believes only a little more than the one before it.

    workers/swept    its modification time is the latest that a sweep has believed

A clock that is days ahead, be it for a minute, would make everything look expired. So what one sweep believes goes at
most STEP beyond what the last one did: the clock is set right before much is lost, and a farm that was down for days
catches up within hours.
"""

from __future__ import annotations

import contextlib
import os
import time

from spoolfarm.spool import files

#: Seconds by which a sweep may be later than the one before it. Sweeps are a minute apart.
STEP = 600.0


def believed(spool: str) -> float:
    """The time, in seconds since the epoch, of the sweep of *spool* that begins now."""
    path, now = f"{spool}/workers/swept", time.time()
    with contextlib.suppress(FileNotFoundError):  # nobody has swept before
        now = min(now, os.stat(path).st_mtime + STEP)
    with contextlib.suppress(OSError):  # a full disk takes no note, but must be swept
        if not os.path.exists(path):
            files.write_new(path, [])
        os.utime(path, (now, now))
    return now
