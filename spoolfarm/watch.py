"""Wake-ups: hints that a directory changed, with a look behind every wait, because a hint may be lost.

Linux tells through inotify, by way of watchdog's bindings. They are used directly, without watchdog's Observer: a
waiting worker blocks in the kernel instead of running two more threads, and files that are renamed out of a watched
directory delay nothing (the Observer holds events back up to 0.5 s to pair them). Where inotify is missing or has no
watches left, a Watch polls.
"""

from __future__ import annotations

import ctypes
import errno
import logging
import os
import select
import struct
import threading
import time
from collections.abc import Callable, Iterable
from typing import TypeVar

log = logging.getLogger(__name__)

#: Seconds after which a waiter looks again although nobody woke it.
RESCAN = 1.0
#: Seconds between two looks where the system gives no events.
POLL = 0.02

#: What to wait for: a file written to and closed, or a name that appears.
WRITTEN = 0x8
APPEARED = 0x100 | 0x80
#: Beside an event: only of a directory, and not of what a symbolic link points at.
NO_LINK = 0x1000000 | 0x2000000

#: What the kernel says when a directory is watched no more.
_IGNORED = 0x8000
_EVENT = struct.Struct("iIII")
Found = TypeVar("Found")


class Watch:
    """Wakes one waiting thread when something happens in *directory*."""

    def __init__(self, directory: str, events: int) -> None:
        self._wake_read, self._wake_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._poll = select.poll()
        self._poll.register(self._wake_read, select.POLLIN)
        self._inotify = _inotify(directory, events)
        if self._inotify is not None:
            self._poll.register(self._inotify, select.POLLIN)

    def wait(self, seconds: float) -> list[bytes]:
        """Sleep until an event since the last wait, a `wake`, or the end of *seconds*; return the names seen.

        An event that came while nobody waited ends the next wait at once. So: look, and wait when there is nothing.
        """
        if self._inotify is None:
            seconds = min(seconds, POLL)
        for descriptor, _ in self._poll.poll(seconds * 1000):
            data = os.read(descriptor, 65536)
            if descriptor == self._inotify:
                return _names(data)
        return []

    @property
    def polls(self) -> bool:
        """Whether there are no events, so that every wait is short and its answer says nothing."""
        return self._inotify is None

    def wake(self) -> None:
        """End the wait of the other thread, or the next one. A signal handler may call this."""
        try:
            os.write(self._wake_write, b"!")
        except BlockingIOError:
            pass  # the pipe is full of wake-ups already

    def close(self) -> None:
        """Give the descriptors back."""
        for descriptor in (self._wake_read, self._wake_write, self._inotify):
            if descriptor is not None:
                os.close(descriptor)


class Watches:
    """Wakes one waiting thread when something happens in any of several directories, which may come and go."""

    def __init__(self) -> None:
        self._wake_read, self._wake_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._poll = select.poll()
        self._poll.register(self._wake_read, select.POLLIN)
        self._inotify = _new_inotify()
        if self._inotify is not None:
            self._poll.register(self._inotify, select.POLLIN)
        self._directories: dict[int, str] = {}
        #: Whether some directory changes without an event, so that whoever waits has to look by himself.
        self.blind = self._inotify is None

    def add(self, directory: str, events: int) -> None:
        """Watch *directory* too. Doing so again is cheap, and right when it has been renamed."""
        if self._inotify is None:
            return
        number = _add_watch(self._inotify, directory, events)
        if number >= 0:
            self._directories[number] = directory
        elif not self.blind and (error := ctypes.get_errno()) in (errno.ENOSPC, errno.ENOMEM):
            self.blind = True
            log.warning("no inotify watch on %r (%s): looking again and again", directory, os.strerror(error))

    def remove(self, directory: str) -> None:
        """Watch *directory* no more."""
        for number in [each for each, path in self._directories.items() if path == directory]:
            del self._directories[number]
            if self._inotify is not None:
                _remove_watch(self._inotify, number)

    def directories(self) -> set[str]:
        """Those that are watched."""
        return set(self._directories.values())

    def wait(self, seconds: float) -> list[tuple[str, str]]:
        """Sleep until an event since the last wait, a `wake`, or the end of *seconds*.

        Returns the directories and the names in them that something happened to; two empty strings when the kernel
        could not note all.
        """
        seen: list[tuple[str, str]] = []
        for descriptor, _ in self._poll.poll(max(0.0, seconds) * 1000):
            data = os.read(descriptor, 65536)
            if descriptor != self._inotify:
                continue
            for number, mask, name in _events(data):
                if mask & _IGNORED:
                    self._directories.pop(number, None)
                elif number < 0:
                    seen.append(("", ""))
                elif number in self._directories:
                    seen.append((self._directories[number], os.fsdecode(name)))
        return seen

    def wake(self) -> None:
        """End the wait of the other thread, or the next one. A signal handler may call this."""
        try:
            os.write(self._wake_write, b"!")
        except BlockingIOError:
            pass  # the pipe is full of wake-ups already

    def close(self) -> None:
        """Give the descriptors back."""
        for descriptor in (self._wake_read, self._wake_write, self._inotify):
            if descriptor is not None:
                os.close(descriptor)


class Arrivals:
    """Lets many threads wait for names to appear in one directory.

    There is no thread of its own: one of those who wait leads, that is, reads the events and wakes whom they concern.
    When the leader leaves it wakes another, who leads on. So a lone waiter is woken by the kernel itself.
    """

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._lock = threading.Lock()
        self._leading = threading.Lock()
        self._waiting: dict[bytes, list[threading.Lock]] = {}
        self._watch: Watch | None = None
        self._pid = 0

    def wait(self, name: str, look: Callable[[], Found | None], seconds: float) -> Found | None:
        """Return what *look* finds as soon as *name* has appeared; None when *seconds* are over.

        *look* is called before waiting, after every wake-up and every RESCAN seconds.
        """
        end = time.monotonic() + seconds
        key, bell = os.fsencode(name), threading.Lock()
        bell.acquire()
        with self._lock:
            watch = self._watching()
            self._waiting.setdefault(key, []).append(bell)
        try:
            while (found := look()) is None and (now := time.monotonic()) < end:
                pause = min(end - now, RESCAN)
                if self._leading.acquire(blocking=False):
                    try:
                        if not bell.acquire(blocking=False):  # else the leader before us saw our name after our look
                            self._lead(watch, key, now + pause)
                    finally:
                        self._leading.release()
                else:
                    bell.acquire(timeout=pause)
            return found
        finally:
            with self._lock:
                self._leave(key, bell)

    def close(self) -> None:
        """Give the descriptors back. Nobody may be waiting."""
        with self._lock:
            if self._watch is not None and self._pid == os.getpid():
                self._watch.close()
            self._watch = None

    def _watching(self) -> Watch:
        if self._watch is not None and self._pid != os.getpid():  # a forked child would steal its parent's events,
            self._watch, self._leading, self._waiting = None, threading.Lock(), {}  # and wait for its parent's leader
        if self._watch is None:
            self._watch, self._pid = Watch(self._directory, APPEARED), os.getpid()
        return self._watch

    def _lead(self, watch: Watch, key: bytes, end: float) -> None:
        """Wake others by the events that come, until one concerns *key*, or may, or the time is over."""
        while (pause := end - time.monotonic()) > 0:
            names = watch.wait(pause)
            with self._lock:
                for name in names:
                    _ring(self._waiting.get(name, ()))
                if watch.polls or b"" in names:  # whom it concerns is not known
                    for bells in self._waiting.values():
                        _ring(bells)
            if not names or key in names or b"" in names:
                return

    def _leave(self, key: bytes, bell: threading.Lock) -> None:
        self._waiting[key].remove(bell)
        if not self._waiting[key]:
            del self._waiting[key]
        if self._waiting and not self._leading.locked():
            _ring(next(iter(self._waiting.values())))


def _ring(bells: Iterable[threading.Lock]) -> None:
    for bell in bells:
        if bell.locked():
            bell.release()


def _inotify(directory: str, events: int) -> int | None:
    """A descriptor that tells of *events* in *directory*, or None where there is no such thing."""
    descriptor = _new_inotify()
    if descriptor is None:
        return None
    if _add_watch(descriptor, directory, events) >= 0:
        return descriptor
    reason = os.strerror(ctypes.get_errno())
    os.close(descriptor)
    log.warning("no inotify watch on %s (%s): polling every %d ms; see fs.inotify.*", directory, reason, POLL * 1000)
    return None


def _new_inotify() -> int | None:
    try:
        from watchdog.observers import inotify_c
    except Exception as error:  # noqa: BLE001  # watchdog raises an error of its own where libc has no inotify
        log.warning("no inotify here (%s): polling every %d ms", error, POLL * 1000)
        return None
    descriptor: int = inotify_c.inotify_init()
    if descriptor < 0:
        reason = os.strerror(ctypes.get_errno())
        log.warning("no inotify instance left (%s): polling every %d ms; see fs.inotify.*", reason, POLL * 1000)
        return None
    os.set_inheritable(descriptor, False)
    os.set_blocking(descriptor, False)
    return descriptor


def _add_watch(descriptor: int, directory: str, events: int) -> int:
    """The number of the watch, or -1 with the reason in ctypes.get_errno()."""
    from watchdog.observers import inotify_c

    number: int = inotify_c.inotify_add_watch(descriptor, os.fsencode(directory), events)
    return number


def _remove_watch(descriptor: int, number: int) -> None:
    from watchdog.observers import inotify_c

    inotify_c.inotify_rm_watch(descriptor, inotify_c.WatchDescriptor(number))


def _names(data: bytes) -> list[bytes]:
    """The names in a buffer of inotify events; b"" for an event without one, such as an overflow."""
    return [name for _, _, name in _events(data)]


def _events(data: bytes) -> list[tuple[int, int, bytes]]:
    """The events in a buffer (inotify(7)): the watch's number, -1 for an overflow; what happened; and the name."""
    found, at = [], 0
    while at < len(data):
        number, mask, _, length = _EVENT.unpack_from(data, at)
        at += _EVENT.size
        found.append((number, mask, data[at : at + length].rstrip(b"\0")))
        at += length
    return found
