"""Processes: dying with the parent, and how much memory one holds."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

#: prctl(2): the signal this process gets when the thread that started it ends.
PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process the moment its *parent* is gone, however it went.

    Call it early, from a child that the parent's main thread started. Elsewhere than on Linux it only checks once; a
    worker looks again each time it is idle.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(f"the launcher {parent} has gone")  # it went before we asked


def memory_mb() -> float:
    """The resident memory of this process in MiB; 0 where the system does not say."""
    try:
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    except OSError:
        return 0.0
