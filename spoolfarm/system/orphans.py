"""Orphans: processes whose parents have ended, found and killed, even after this process itself has been killed.

Run by its path it is the farm's reaper, which needs nothing but the standard library: it waits for the end of what its
standard input comes from, kills every process that has the mark that is its argument, and ends.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Container, Mapping

#: prctl(2): whether orphans become the children of this process.
PR_SET_CHILD_SUBREAPER = 36
#: The variable that says to which process all belongs that has it.
MARK = "SPOOLFARM_LAUNCHER"
#: Seconds in which what hears of its parent's death may end by itself, and put away what it has used.
GRACE = 0.5
#: Seconds for which the reaper looks again whether those that it has killed were starting others, and between looks.
LAST, PAUSE = 10.0, 0.01


class Reaper:
    """The process that kills whatever has `mark` in its environment when this process has ended, however that came."""

    def __init__(self) -> None:
        #: For the environment of all that is to end with this process.
        self.mark = {MARK: f"{os.getpid()}-{os.urandom(6).hex()}"}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process id while it is there."""
        return self._process.pid if self._process else None

    def keep(self) -> None:
        """Start it, also when somebody has ended it. Raises OSError."""
        if self._process is not None and self._process.poll() is None:
            return
        self.close()
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__, self.mark[MARK]],
            env={},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def close(self) -> None:
        """Have it do what it is there for, and wait until it has."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            self._process.wait()
            self._process = None


def adopt_orphans() -> bool:
    """Become the parent of descendants whose own parents end. False where that is not possible."""
    if sys.platform != "linux":
        return False
    done: int = ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    return done == 0


def bury_orphans(children: Container[int | None]) -> None:
    """Reap the dead processes that this process has adopted: those that are not among its own *children*."""
    try:
        while dead := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            if dead.si_pid in children:
                return  # its starter wants to know how it ended; others are reaped next time
            os.waitpid(dead.si_pid, 0)
    except ChildProcessError:
        return  # there are no children at all


def kill_marked(marks: Mapping[str, str | None]) -> int:
    """SIGKILL every process except this one whose environment has all of *marks*; None matches any value.

    The environment is what a process was started with, and is inherited by everything it starts, in whatever session.
    Returns how many there were; on systems other than Linux no process is found.
    """
    found = [pid for pid in _processes() if pid != os.getpid() and _has(pid, marks)]
    return sum(map(_kill, found))


def kill_adopted() -> None:
    """SIGKILL and reap every child of this process: when it ends, these are the orphans that it has adopted."""
    for task in _names("/proc/self/task"):
        try:
            with open(f"/proc/self/task/{task}/children") as children:
                for pid in map(int, children.read().split()):
                    os.kill(pid, signal.SIGKILL)
                    os.waitpid(pid, 0)
        except OSError:
            continue  # it has been reaped elsewhere


def kill_unmarked(ancestor: int, marks: Mapping[str, str | None]) -> None:
    """SIGKILL what the process *ancestor* has started, and what that has, in whatever session, if it lacks *marks*."""
    children: dict[int, list[int]] = {}
    for pid in _processes():
        try:
            with open(f"/proc/{pid}/stat", "rb") as stat:
                children.setdefault(int(stat.read().rpartition(b")")[2].split()[1]), []).append(pid)
        except OSError:
            continue  # it has ended
    found = [ancestor]
    for parent in found:
        found += children.get(parent, [])
    for pid in found[1:]:
        if not _has(pid, marks):
            _kill(pid)


def _has(pid: int, marks: Mapping[str, str | None]) -> bool:
    """Whether the environment of a process has all of *marks*."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as environ:
            found = environ.read().split(b"\0")
    except OSError:
        return False  # it has ended, or belongs to another user
    for name, value in marks.items():
        want = f"{name}={'' if value is None else value}".encode()
        if not any(each == want if value is not None else each.startswith(want) for each in found):
            return False
    return True


def _kill(pid: int) -> bool:
    try:
        os.kill(pid, signal.SIGKILL)
    except OSError:
        return False  # it has ended, or belongs to another user
    return True


def _processes() -> list[int]:
    return [int(name) for name in _names("/proc") if name.isdecimal()]


def _names(path: str) -> list[str]:
    try:
        return os.listdir(path)
    except OSError:
        return []


def reap(mark: str) -> None:
    """Wait for the end of standard input, and then kill whatever has this *mark*."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    while os.read(0, 1):
        pass
    time.sleep(GRACE)
    end = time.monotonic() + LAST
    while kill_marked({MARK: mark}) and time.monotonic() < end:
        time.sleep(PAUSE)


if __name__ == "__main__":
    reap(sys.argv[1])
