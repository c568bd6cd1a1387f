"""Processes: what one asks of the kernel and of Python when it starts, and how much memory it holds."""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import sys
from collections.abc import Container, Sequence

#: prctl(2): the signal this process gets when the thread that started it ends; and whether orphans become its children.
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
#: mallopt(3), of glibc: free memory at the end of the heap that is kept, and the size from which a block lies outside.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
#: Bytes that a worker keeps for its next job, and the largest block that comes from what it keeps: glibc's limit.
KEPT, LARGEST_KEPT = 128 << 20, 32 << 20
#: New objects, less the freed ones, after which the garbage collector looks for cycles; Python's own number is 700.
COLLECT_EVERY = 20_000


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process the moment its *parent* is gone, however it went.

    Call it early, from a child that the parent's main thread started. Elsewhere than on Linux it only checks once; a
    worker looks again each time it is idle.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(f"the launcher {parent} has gone")  # it went before we asked


def adopt_orphans() -> bool:
    """Become the parent of those processes below this one whose own parents end. False where that cannot be."""
    if sys.platform != "linux":
        return False
    done: int = ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    return done == 0


def bury_orphans(children: Container[int | None]) -> None:
    """Reap the dead that this process has adopted: those that are none of its own *children*."""
    try:
        while dead := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            if dead.si_pid in children:
                return  # who started it wants to know how it ended; others are buried next time
            os.waitpid(dead.si_pid, 0)
    except ChildProcessError:
        return  # there is nobody at all


def show_as(command: Sequence[str]) -> None:
    """Have `ps` show *command*, or as much of it as there is room for, in place of what this process was started by."""
    with open("/proc/self/stat") as stat:
        begin, end = map(int, stat.read().rpartition(")")[2].split()[45:47])  # see proc_pid_stat(5): arg_start, arg_end
    room = end - begin
    ctypes.memmove(begin, "\0".join(command).encode()[: room - 1].ljust(room, b"\0"), room)


def stay_on_one_core() -> None:
    """Keep all threads of this process on one core, which they share anyway: only one at a time may run Python.

    On several cores each wakes up beside the others and fights them for the interpreter's lock. The processes that
    have more to do move out of its way, for they are free to.
    """
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[os.getpid() % len(cores)]})


def calm_collector() -> None:
    """Have the garbage collector leave alone what is there by now, and look less often at what comes.

    Requests and jobs leave hardly any cycles behind; looking for them every 700 objects costs more than it frees.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_EVERY, 20, 20)


def keep_memory() -> None:
    """Keep what a job has freed for the next one, which most likely wants as much.

    Else the kernel takes a picture's pages back and clears new ones for the next picture, which costs a quarter of the
    time of an easy edit. Only glibc can be told.
    """
    if mallopt := getattr(ctypes.CDLL(None), "mallopt", None):
        mallopt(M_TRIM_THRESHOLD, KEPT)
        mallopt(M_MMAP_THRESHOLD, LARGEST_KEPT)


def memory_mb() -> float:
    """The resident memory of this process in MiB; 0 where the system does not say."""
    try:
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    except OSError:
        return 0.0
