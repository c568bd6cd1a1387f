"""Watches and locks of simulated processes: what the kernel offers beside files, with the same promises and no more."""

from __future__ import annotations

import fcntl
import os
import time
from types import TracebackType
from typing import TYPE_CHECKING

from filelock import Timeout

if TYPE_CHECKING:
    from tests.simulation.world import Process, World

#: Seconds between tries of a waiting lock, as filelock has it.
POLL = 0.05
#: How many of the kernel's events are lost.
LOST = 0.02

#: The world whose processes make watches and locks.
_worlds: list[World] = []


def enter(world: World) -> None:
    """Watches that are made from now on belong to *world*."""
    _worlds[:] = [world]


class SimulatedWatch:
    """In the place of `spoolfarm.spool.watch.Watch`: events may be lost."""

    blind = False

    def __init__(self, *directories: str, events: int = 0, poll: float = 0.0) -> None:
        (self._world,) = _worlds
        self._owner: Process | None = None
        self._seen: list[tuple[str, str]] = []
        self._woken = False
        self._directories: dict[str, None] = {}
        for directory in directories:
            self.add(directory)

    def add(self, directory: str, events: int = 0) -> None:
        self._directories[directory] = None
        there = self._world.watches.setdefault(directory, [])
        if self not in there:
            there.append(self)

    def remove(self, directory: str) -> None:
        self._directories.pop(directory, None)
        there = self._world.watches.get(directory, [])
        if self in there:
            there.remove(self)

    def directories(self) -> list[str]:
        return list(self._directories)

    def see(self, directory: str, name: str) -> None:
        """The kernel has an event."""
        if self._world.chance.random() < LOST:
            return
        self._seen.append((directory, name))
        self._rouse()

    def wait(self, seconds: float) -> list[tuple[str, str]]:
        if not self._seen and not self._woken:
            self._owner = self._world.running
            self._world.sleep(max(0.0, seconds))
            self._owner = None
        seen, self._seen, self._woken = self._seen, [], False
        return seen

    def wake(self) -> None:
        self._woken = True
        self._rouse()

    def close(self) -> None:
        for directory in list(self._directories):
            self.remove(directory)

    def _rouse(self) -> None:
        if self._owner is not None:
            self._world.rouse(self._owner)


class SimulatedLock:
    """In the place of `filelock.FileLock`: the calls that it makes, without what serves threads and forks."""

    def __init__(self, path: str, timeout: float = -1, **_: object) -> None:
        self._path = path
        self._timeout = timeout
        self._descriptor: int | None = None
        self._depth = 0

    @property
    def is_locked(self) -> bool:
        return self._descriptor is not None

    def acquire(self, timeout: float | None = None) -> None:
        patience = self._timeout if timeout is None else timeout
        deadline = time.monotonic() + patience
        while self._descriptor is None and (found := self._try()) is None:
            if patience >= 0 and time.monotonic() >= deadline:
                raise Timeout(self._path)
            time.sleep(POLL if patience < 0 else min(POLL, max(0.0, deadline - time.monotonic())))
        if self._descriptor is None:
            self._descriptor = found
        self._depth += 1

    def _try(self) -> int | None:
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
        except FileExistsError:
            try:
                descriptor = os.open(self._path, os.O_RDWR)
            except FileNotFoundError:
                return None  # unlinked since
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(descriptor).st_nlink:
                return descriptor
        except BlockingIOError:
            pass
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        return None

    def release(self) -> None:
        if self._descriptor is None:
            return
        self._depth -= 1
        if not self._depth:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)
            descriptor, self._descriptor = self._descriptor, None
            try:
                os.close(descriptor)
            except OSError:
                pass  # the lock is free all the same

    def __enter__(self) -> SimulatedLock:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
