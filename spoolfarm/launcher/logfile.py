"""The log file: what standard output and standard error were opened on, opened anew after somebody has moved it."""

from __future__ import annotations

import os
import stat


class LogFile:
    """The files that this process prints to, as they were called when it began; terminals and pipes are none."""

    def __init__(self) -> None:
        self._paths = {descriptor: path for descriptor in (1, 2) if (path := _path(descriptor))}

    def reopen(self) -> list[str]:
        """Open those that were moved under their names, and return these; what was printed so far stays where it is.

        Raises OSError, and then the old ones go on.
        """
        moved = {descriptor: path for descriptor, path in self._paths.items() if not _is_at(descriptor, path)}
        for descriptor, path in moved.items():
            mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
            opened = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, mode)
            os.dup2(opened, descriptor)
            os.close(opened)
        return sorted(set(moved.values()))


def _path(descriptor: int) -> str | None:
    """The name of the file behind *descriptor*, when it is one and has one."""
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        path = os.readlink(f"/proc/self/fd/{descriptor}")
        return path if _is_at(descriptor, path) else None
    except OSError:
        return None


def _is_at(descriptor: int, path: str) -> bool:
    """Whether *path* is the name of the file behind *descriptor*."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False
