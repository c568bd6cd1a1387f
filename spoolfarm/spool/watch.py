"""Wake-ups: hints that a directory changed, with a check after every wait, because a hint may be lost.

On Linux they come from inotify, through watchdog's bindings. These are used directly, without watchdog's Observer: a
waiting worker blocks in the kernel instead of running two more threads, and files that are renamed out of a watched
directory delay nothing (the Observer holds events back for up to 0.5 s to pair them). Where inotify is missing or has
no watches left, a Watch polls.
"""

from __future__ import annotations

import ctypes
import errno
import logging
import os
import select
import struct

log = logging.getLogger(__name__)

#: Seconds after which a waiter checks again even if nothing woke it.
RESCAN = 1.0
#: Seconds between checks where the system gives no events.
POLL = 0.02

#: What to wait for: a file written to and closed, or a name that appears.
WRITTEN = 0x8
APPEARED = 0x100 | 0x80
#: Flags: only watch a directory, and not what a symbolic link points at.
NO_LINK = 0x1000000 | 0x2000000

#: The kernel's errors when no watch is left; other errors concern the directory itself, and a check meets them.
NONE_LEFT = (errno.ENOSPC, errno.ENOMEM)

#: The kernel's event when a directory is no longer watched.
_IGNORED = 0x8000
_EVENT = struct.Struct("iIII")


class Watch:
    """Wakes one waiting thread when something happens in the directories that are watched; they may come and go."""

    def __init__(self, *directories: str, events: int = APPEARED, poll: float = POLL) -> None:
        """*poll*: the most seconds of a wait where the system gives no events."""
        self._pid, self._open = os.getpid(), list[int]()
        self._wake_read, self._wake_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._open += [self._wake_read, self._wake_write]
        self._selected = select.poll()
        self._selected.register(self._wake_read, select.POLLIN)
        self._poll = poll
        self._inotify = _new_inotify(poll)
        if self._inotify is not None:
            self._open.append(self._inotify)
            self._selected.register(self._inotify, select.POLLIN)
        self._directories: dict[int, str] = {}
        #: Whether some directory changes without an event, so that waits are short and the waiter has to poll.
        self.blind = self._inotify is None
        for directory in directories:
            self.add(directory, events)

    def add(self, directory: str, events: int = APPEARED) -> None:
        """Watch *directory* too. Calling this again is cheap, and needed when it has been renamed."""
        if self._inotify is None:
            return
        number = _add_watch(self._inotify, directory, events)
        if number >= 0:
            self._directories[number] = directory
        elif not self.blind and (error := ctypes.get_errno()) in NONE_LEFT:
            self.blind = True
            _warn(f"no inotify watch on {directory!r} ({os.strerror(error)})", self._poll)

    def remove(self, directory: str) -> None:
        """Stop watching *directory*."""
        for number in [each for each, path in self._directories.items() if path == directory]:
            del self._directories[number]
            if self._inotify is not None:
                _remove_watch(self._inotify, number)

    def directories(self) -> set[str]:
        """The watched directories."""
        return set(self._directories.values())

    def wait(self, seconds: float) -> list[tuple[str, str]]:
        """Sleep until an event since the last wait, a `wake`, or the end of *seconds*.

        An event that came while nobody waited ends the next wait at once. So check first, and wait when there is
        nothing. Returns the directories and names that something happened to; two empty strings when the kernel could
        not record all events.
        """
        seen: list[tuple[str, str]] = []
        seconds = min(seconds, self._poll) if self.blind else seconds
        for descriptor, _ in self._selected.poll(max(0.0, seconds) * 1000):
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
        """Close the descriptors, once."""
        descriptors, self._open = self._open, []
        for descriptor in descriptors:
            os.close(descriptor)

    def __del__(self) -> None:
        """A program may drop a farm without closing it. In a forked child the numbers may be those of other files."""
        if self._pid == os.getpid():
            self.close()


def _new_inotify(poll: float) -> int | None:
    try:
        from watchdog.observers import inotify_c
    except Exception as error:  # noqa: BLE001  # watchdog raises an error of its own where libc has no inotify
        _warn(f"no inotify here ({error})", poll)
        return None
    descriptor: int = inotify_c.inotify_init()
    if descriptor < 0:
        _warn(f"no inotify instance left ({os.strerror(ctypes.get_errno())})", poll)
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


def _events(data: bytes) -> list[tuple[int, int, bytes]]:
    """The events in a buffer (inotify(7)): the watch's number, -1 for an overflow; what happened; and the name."""
    found, at = [], 0
    while at < len(data):
        number, mask, _, length = _EVENT.unpack_from(data, at)
        at += _EVENT.size
        found.append((number, mask, data[at : at + length].rstrip(b"\0")))
        at += length
    return found


def _warn(what: str, poll: float) -> None:
    log.warning("%s: polling every %d ms; see fs.inotify.*", what, poll * 1000)
