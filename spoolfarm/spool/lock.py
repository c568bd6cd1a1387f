"""The lock: a file that one process at a time holds, and that only the farm's own user can open.

Whoever can open a file for reading can lock it. So where other users may enter the spool, to drop files into its inbox,
a lock that they could open would let any of them stop the farm.
"""

from __future__ import annotations

import contextlib
import os

from filelock import FileLock

from spoolfarm.spool import files


def lock(path: str, *, timeout: float = -1) -> FileLock:
    """The lock at *path*; `acquire` waits *timeout* seconds for it, for ever by default, and then raises Timeout."""
    return FileLock(path, timeout, mode=files.FILE_MODE, fallback_to_soft=False, thread_local=False)


def close_to_others(path: str) -> None:
    """See that nobody else can open the lock at *path* from now on: an earlier version let everybody."""
    with contextlib.suppress(FileNotFoundError):
        os.chmod(path, files.FILE_MODE)
