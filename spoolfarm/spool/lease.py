"""The lease: the lock that a worker holds for life, by which other processes know that it is alive."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from filelock import FileLock, Timeout

from spoolfarm.spool import checksum, files
from spoolfarm.spool.lock import lock

#: Seconds to wait for the worker's own lock: another process may be testing whether it is free.
PATIENCE = 10.0

#: How the names end of what a worker has in workers/.
LEAVINGS = frozenset({"lock", "json", "token", "bell"})
#: The locks among those of the workers that are no worker's life.
SHARED = frozenset({"suspects", "cancel", "retry"})


class LeaseLost(OSError):
    """The worker's lock file or its directory has been removed, so it can claim nothing any more."""


class Lease:
    """One worker's life: a locked file, which the kernel unlocks when the process dies, however it dies.

    A worker's id is never used twice, so a free lock always belongs to a dead worker.
    """

    def __init__(self, workers: str, active: str, wid: str) -> None:
        self.wid = wid
        #: The directory of the jobs this worker has claimed.
        self.active = f"{active}/{wid}"
        self._info = f"{workers}/{wid}.json"
        self._path = f"{workers}/{wid}.lock"
        self._since = 0.0
        self._inode = 0
        self._lock = lock(self._path)
        #: Held while running a job that has already killed a worker, so that poison takes one worker at a time.
        self._suspects = lock(f"{workers}/suspects.lock")
        #: Whether this worker has that lock, which is asked for after each job.
        self._holds_suspects = False

    @classmethod
    def take(cls, workers: str, active: str, wid: str) -> Lease:
        """Begin the life of a worker in this process. The lock comes before the directory that reclaimers look for."""
        lease = cls(workers, active, wid)
        lease._lock.acquire(timeout=PATIENCE)
        os.mkdir(lease.active, files.DIRECTORY_MODE)
        lease._inode = os.stat(lease._path).st_ino
        return lease

    @classmethod
    def take_over(cls, workers: str, active: str, wid: str) -> Lease | None:
        """The lease of worker *wid* when it is dead, else None."""
        lease = cls(workers, active, wid)
        return lease if _try(lease._lock) else None

    def announce(self, info: Mapping[str, Any]) -> None:
        """Announce that this worker is ready, since when, and *info* about it, replacing the last announcement."""
        self._since = self._since or time.time()
        files.write_atomic(self._info, checksum.seal(json.dumps({**info, "since": self._since}).encode()))

    def withdraw(self) -> None:
        """Take the announcement back: this worker lives, and is not ready any more."""
        files.remove(self._info)

    def check(self) -> None:
        """Raise LeaseLost when the lock file or the directory of claimed jobs has been removed.

        The number of an open inode is not reused, so comparing the numbers is enough.
        """
        for path, inode in ((self._path, self._inode), (self.active, None)):
            try:
                found = os.stat(path).st_ino
            except FileNotFoundError:
                raise LeaseLost(f"{path} is gone") from None
            if inode not in (None, found):
                raise LeaseLost(f"{path} is another file")

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Within it the worker waits for something other than its job, such as room on the disk.

        Others see this by a lock on the worker's announcement, which already exists: a full disk takes no new file.
        """
        with open(self._info, "rb") as announced:
            fcntl.flock(announced, fcntl.LOCK_EX)
            yield

    def try_suspects(self) -> bool:
        """Take the right to run suspect jobs, which one worker has at a time. False when another has it."""
        self._holds_suspects = self._holds_suspects or _try(self._suspects)
        return self._holds_suspects

    def drop_suspects(self) -> None:
        """Leave the suspect jobs to others."""
        if self._holds_suspects:
            self._suspects.release()
            self._holds_suspects = False

    def drop(self) -> None:
        """Release a dead worker's lease and leave the rest as it is, for a later attempt."""
        self._lock.release()

    def end(self) -> None:
        """Remove the worker's files, the lock file last and while it is held, and release the lock."""
        files.remove(self._info)
        files.remove_empty(self.active)
        files.remove(self._path)
        self._suspects.release()
        self._lock.release()


def new_worker_id() -> str:
    """An id for a worker, used once."""
    return f"{socket.gethostname()}-{os.urandom(6).hex()}"


def known(workers: str, active: str) -> list[str]:
    """The ids of all workers that have left anything, whether they live or not."""
    left = (name.rpartition(".") for name in files.names(workers))
    return sorted({*files.names(active), *(wid for wid, _, kind in left if kind in LEAVINGS)} - SHARED)


def ready(workers: str) -> list[dict[str, Any]]:
    """What each living, ready worker announced, with its id as `worker`."""
    found = []
    for name in files.names(workers):
        wid, _, suffix = name.rpartition(".")
        if suffix == "json" and alive(workers, wid) and (said := announced(workers, wid)) is not None:
            found.append({**said, "worker": wid})
    return found


def announced(workers: str, wid: str) -> dict[str, Any] | None:
    """What the worker *wid* announced, with the list of its `tasks`; None when it is not ready, or that is damaged."""
    try:
        said = checksum.opened(files.read(f"{workers}/{wid}.json"))
    except (FileNotFoundError, checksum.Altered):
        return None
    except OSError as error:
        if error.errno not in files.UNREADABLE:
            raise
        return None
    tasks = said.get("tasks")
    return said if isinstance(tasks, list) and all(isinstance(task, str) for task in tasks) else None


def waits(workers: str, wid: str) -> bool:
    """Whether the worker *wid* waits for something other than its job."""
    try:
        with open(f"{workers}/{wid}.json", "rb") as announced:
            fcntl.flock(announced, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False  # it is not ready, or has ended
    return False


def alive(workers: str, wid: str) -> bool:
    """Whether the lock of *wid* is held."""
    path = f"{workers}/{wid}.lock"
    if not os.path.exists(path):
        return False
    tested = lock(path)
    if not _try(tested):
        return True
    try:
        files.remove(path)  # testing the lock of a worker long gone has recreated the file
    finally:
        tested.release()
    return False


def _try(wanted: FileLock) -> bool:
    try:
        wanted.acquire(timeout=0)
    except Timeout:
        return False
    return True
