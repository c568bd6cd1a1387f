"""The keeper: a process that runs one command and ends only when nothing that the command started is left.

    python keeper.py PARENT COMMAND...

It adopts whatever the command leaves behind, in whichever session, for it is the subreaper of them all (prctl(2)).
SIGUSR1 asks the command to end; SIGTERM ends everything at once, and the kernel sends it when PARENT dies. The exit
status is that of the command, 128 + N when signal N ended it. TMPDIR of the command is a directory that goes with it.

It is run by its path, without the farm's packages: it has to be small, and there before the parent can die.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence

#: Names the keeper of a process in its environment: process id and start, so that another of the same id is told apart.
MARK = "SPOOLFARM_KEEPER"
#: prctl(2): the signal at the parent's death, and adopting orphans.
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
#: What asks the command to end.
STOP = signal.SIGUSR1
#: Exit status of a command that cannot be run, as in a shell.
CANNOT_RUN = 127
#: Seconds in which killed processes have to be gone.
LAST = 10.0

SIGNALS = (signal.SIGCHLD, signal.SIGTERM, STOP, signal.SIGINT, signal.SIGHUP)


def keep(parent: int, command: Sequence[str]) -> int:
    """Run *command* to its end, or until stopped; return its exit status."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    if sys.platform == "linux":
        prctl = ctypes.CDLL(None, use_errno=True).prctl
        prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:
        return CANNOT_RUN  # it died before we asked
    scratch = tempfile.mkdtemp(prefix="sf-")  # short: Ray puts sockets below it, whose paths have a limit
    try:
        status = _wait(_start(command, scratch, before))
        _end_all()
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return status


def _start(command: Sequence[str], scratch: str, mask: set[int] | set[signal.Signals]) -> int:
    """Start *command* in a new session; return its process id."""
    keeper = os.getpid()
    environment = {**os.environ, MARK: f"{keeper}-{started(keeper)}", "TMPDIR": scratch, "RAY_TMPDIR": scratch}
    pid = os.fork()
    if pid:
        quiet = os.open(os.devnull, os.O_RDWR)
        for output in (1, 2):
            os.dup2(quiet, output)  # who reads the output sees its end when the command has closed it
        return pid
    try:
        os.setsid()
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        os.execvpe(command[0], list(command), environment)
    except OSError as error:
        os.write(2, f"{command[0]} cannot be run: {error.strerror}\n".encode(errors="replace"))
    finally:
        os._exit(CANNOT_RUN)


def _wait(command: int) -> int:
    """Wait for the command, and obey signals meanwhile."""
    while True:
        number = signal.sigwait(SIGNALS)
        if number == STOP:
            _signal(command, signal.SIGTERM)
        elif number == signal.SIGTERM:
            _signal(command, signal.SIGKILL)
            return _status(os.waitpid(command, 0)[1])
        while (ended := _reap()) is not None:
            if ended[0] == command:
                return _status(ended[1])


def _signal(command: int, number: signal.Signals) -> None:
    try:
        os.killpg(command, number)
    except ProcessLookupError:
        os.kill(command, number)  # it has no group of its own yet; and it is not reaped, so this is still it


def _reap() -> tuple[int, int] | None:
    try:
        found = os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return None
    return found if found[0] else None


def _status(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _end_all() -> None:
    """Kill our children, and then theirs, who become ours, until there are none.

    A child's number is its own until we reap it, so nobody else is hit.
    """
    deadline = time.monotonic() + LAST
    while time.monotonic() < deadline:
        for pid in _children():
            os.kill(pid, signal.SIGKILL)
        while _reap():
            pass
        try:
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return
        time.sleep(0.005)


def _children() -> list[int]:
    me = os.getpid()
    return [int(name) for name in _processes() if (fields := _stat(name)) and int(fields[1]) == me]


def _processes() -> list[str]:
    try:
        return [name for name in os.listdir("/proc") if name.isdecimal()]
    except OSError:
        return []  # no Linux: what left the command's session is beyond us


def _stat(pid: str | int) -> list[str]:
    """State, parent, ... start (19 further on) of a process, as proc(5) lists them; empty when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()
    except OSError:
        return []


def started(pid: int) -> str:
    """When a process started, in ticks since boot; empty when there is no such process."""
    fields = _stat(pid)
    return fields[19] if fields and fields[0] not in "ZX" else ""


def kill_orphans() -> int:
    """Kill what keepers left that were killed themselves; return how many there were."""
    killed = 0
    for name in _processes():
        try:
            with open(f"/proc/{name}/environ", "rb") as file:
                environment = file.read().split(b"\0")
            mark = next((each for each in environment if each.startswith(MARK.encode() + b"=")), b"")
            keeper, _, start = mark.decode().partition("=")[2].partition("-")
            if keeper.isdecimal() and started(int(keeper)) != start:
                os.kill(int(name), signal.SIGKILL)
                killed += 1
        except (OSError, ValueError):
            continue  # somebody else's, or gone
    return killed


if __name__ == "__main__":
    sys.exit(keep(int(sys.argv[1]), sys.argv[2:]))
