"""The lock: a file that one process at a time holds, and that only the farm's own user can open.

Whoever can open a file for reading can lock it. So where other users may enter the spool, to drop files into its inbox,
a lock that they could open would let any of them stop the farm.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from filelock import FileLock, Timeout

from spoolfarm.errors import SpoolUnavailable
from spoolfarm.spool import files


def lock(path: str, *, timeout: float = -1) -> FileLock:
    """The lock at *path*; `acquire` waits *timeout* seconds for it, for ever by default, and then raises Timeout."""
    return FileLock(path, timeout, mode=files.FILE_MODE, fallback_to_soft=False, thread_local=False)


@contextlib.contextmanager
def held(path: str, patience: float, doing: str) -> Iterator[None]:
    """Hold the lock at *path*. Raises SpoolUnavailable when one that is *doing* something keeps it for too long."""
    try:
        with lock(path, timeout=patience):
            yield
    except Timeout as error:
        raise SpoolUnavailable(f"a process that {doing} does not come to its end") from error


def close_to_others(path: str) -> None:
    """See that nobody else can open the lock at *path* from now on: an earlier version let everybody."""
    with contextlib.suppress(FileNotFoundError):
        os.chmod(path, files.FILE_MODE)
