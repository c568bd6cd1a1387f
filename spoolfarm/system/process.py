"""Processes: what a process sets up with the kernel and Python when it starts."""

from __future__ import annotations

import atexit
import ctypes
import gc
import os
import resource
import signal
import sys
from collections.abc import Sequence

#: prctl(2): the signal this process gets when the thread that started it ends.
PR_SET_PDEATHSIG = 1
#: Descriptors that a process wants at most.
MOST_DESCRIPTORS = 65536


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process the moment its *parent* is gone, however it went.

    Call it early, from a child that the parent's main thread started. Elsewhere than on Linux it only checks once; a
    worker looks again each time it is idle.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(f"the launcher {parent} has gone")  # it ended before we asked


def unburden(home: str) -> None:
    """Undo what whoever started this process may have left it: blocked signals, and a working directory that is gone.

    The one would make it, and all that it starts, deaf to SIGTERM; without the other many a library cannot start. It
    goes to *home* then.
    """
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    try:
        os.getcwd()
    except FileNotFoundError:
        os.chdir(home)


def end_at_once() -> None:
    """Have this process end without a last search for garbage, which takes up to half a second once torch is loaded.

    The kernel takes all of its memory at once. Exit handlers run as ever.
    """
    atexit.register(gc.freeze)


def raise_descriptors() -> int:
    """Let this process, and what it starts from now on, open as many files as the system allows; return how many.

    The soft limit, often 1024, is for programs that use select(2), which cannot count further.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MOST_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return most if soft == resource.RLIM_INFINITY else max(soft, most)


def has_terminal() -> bool:
    """Whether this process has a controlling terminal that is still there."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True


def show_as(command: Sequence[str]) -> None:
    """Make `ps` show *command*, or as much of it as there is room for, in place of the original command line.

    The environment, which lies behind it, stays what `/proc/PID/environ` shows: setproctitle would overwrite it.
    """
    with open("/proc/self/stat") as stat:
        begin, end = map(int, stat.read().rpartition(")")[2].split()[45:47])  # see proc_pid_stat(5): arg_start, arg_end
    room = end - begin
    ctypes.memmove(begin, "\0".join(command).encode()[: room - 1].ljust(room, b"\0"), room)


def stay_on_one_core() -> None:
    """Keep all threads of this process on one core, which they share anyway: only one at a time may run Python.

    On several cores each wakes up beside the others and fights them for the interpreter's lock: on one a front answered
    1.4 times as many requests on 8 connections (`python -m benchmarks.pieces`, on a quiet machine). The processes that
    have more to do move out of its way, for they are free to.
    """
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[os.getpid() % len(cores)]})
