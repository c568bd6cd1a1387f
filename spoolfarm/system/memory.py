"""Memory: how much a process keeps between jobs, and how much it holds."""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Iterator

#: mallopt(3), of glibc: free memory at the end of the heap that is kept, the size from which a block lies outside, and
#: how many blocks may.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_MMAP_MAX = -1, -3, -4
#: Bytes that a worker keeps for its next job, and the largest block that comes from what it keeps: glibc's limit.
KEPT, LARGEST_KEPT = 128 << 20, 32 << 20
#: glibc's own number of blocks outside the heap.
MANY = 65536
#: Where a container's limit is found, in bytes: cgroups of version 2, and of version 1.
LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
_PAGE = os.sysconf("SC_PAGE_SIZE")


def keep() -> None:
    """Keep what a job has freed for the next one, which most likely needs as much.

    Else the kernel takes a picture's pages back and clears new ones for the next picture, which costs nearly half of
    the time of an easy edit of a megapixel (`python -m benchmarks.pieces`). Only glibc can be told.
    """
    if mallopt := getattr(ctypes.CDLL(None), "mallopt", None):
        mallopt(M_TRIM_THRESHOLD, KEPT)
        mallopt(M_MMAP_THRESHOLD, LARGEST_KEPT)


@contextlib.contextmanager
def largest_kept() -> Iterator[None]:
    """Within it even blocks above LARGEST_KEPT come from what is kept: pictures of 12 megapixels and more.

    It is for work whose few large blocks all go at its end: a picture of 12 megapixels is halved in 0.57 of the time
    (`python -m benchmarks.pieces`). Those that come and go in any order, as a net's do, would leave holes that nothing
    else fits into.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        yield
        return
    mallopt(M_MMAP_MAX, 0)
    try:
        yield
    finally:
        mallopt(M_MMAP_MAX, MANY)


def resident_mb(process: int | str = "self") -> float:
    """The resident memory of a *process*, by its id, in MiB; 0 where the system does not say, or when it has ended."""
    try:
        with open(f"/proc/{process}/statm", "rb") as statm:
            return int(statm.read().split()[1]) * _PAGE / 2**20
    except (OSError, IndexError):
        return 0.0


def there_is_mb() -> float:
    """The memory of this machine in MiB, or of its container when that has less."""
    found = [os.sysconf("SC_PHYS_PAGES") * _PAGE / 2**20]
    for path in LIMITS:
        try:
            with open(path) as limit:
                found.append(int(limit.read()) / 2**20)
        except (OSError, ValueError):
            continue  # there is no such limit
    return min(found)
