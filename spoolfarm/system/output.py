"""The output of a process that does one job after another, for a launcher that reads it: whose words are whose."""

from __future__ import annotations

import fcntl
import io
import logging
import os
import stat
import sys
import termios
from typing import Any

#: Ends a line after which another job's words begin. It is read by the launcher, and shown to nobody.
MARK = b"\x1espoolfarm: another job\x1e"
#: Bytes that nobody has read in a pipe, above which a mark is left out: its reader stalls, and it might block.
FULL = 32768


class Output:
    """Standard output and error, when they are one pipe; else there is nobody to tell.

    A mark costs the reader a wake-up, so there is one only when something has been printed since the last: by Python,
    which is noticed here, or by a library, when it has not been read yet.
    """

    def __init__(self) -> None:
        self._pipe = _pipe()
        #: Whether Python has printed since the last mark.
        self._spoke = True
        if self._pipe is not None:
            old, sys.stdout, sys.stderr = sys.stderr, self._heard(1, "replace"), self._heard(2, "backslashreplace")
            for handler in logging.root.handlers:
                if isinstance(handler, logging.StreamHandler) and handler.stream is old:
                    handler.setStream(sys.stderr)

    def begin_job(self) -> None:
        """What is printed from now on belongs to another job."""
        try:
            if self._pipe is None:
                return
            unread = int.from_bytes(fcntl.ioctl(2, termios.FIONREAD, bytes(4)), sys.byteorder)
            if not self._spoke and not unread:
                return
            if _pipe() == self._pipe and unread < FULL:  # else a task has put something else in its place
                os.write(2, MARK + b"\n")
                self._spoke = False
        except OSError:
            pass  # a task has closed it: then there is nothing to be told apart

    def _heard(self, descriptor: int, errors: str) -> io.TextIOWrapper:
        return io.TextIOWrapper(_Heard(descriptor, self), "utf-8", errors, write_through=True)

    def spoke(self) -> None:
        """Python has printed something."""
        self._spoke = True


class _Heard(io.FileIO):
    def __init__(self, descriptor: int, output: Output) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self._output = output

    def write(self, data: Any) -> int:
        self._output.spoke()
        rest = memoryview(data)
        while rest:
            rest = rest[super().write(rest) :]
        return len(data)


def _pipe() -> tuple[int, int] | None:
    """Which pipe standard error is, or None."""
    try:
        found = os.fstat(2)
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if stat.S_ISFIFO(found.st_mode) else None
