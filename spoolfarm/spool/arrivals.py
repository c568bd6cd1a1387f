"""Arrivals: many threads wait for names to appear in one directory, and one of them reads the events for all."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable
from typing import TypeVar

from spoolfarm.spool.watch import RESCAN, Watch

Seen = TypeVar("Seen")


class Arrivals:
    """Lets many threads wait for names to appear in one directory.

    It has no thread of its own: one of the waiting threads leads, that is, it reads the events and wakes the threads
    they concern. When the leader leaves, it wakes another thread, which leads next. So a lone waiter is woken by the
    kernel itself.
    """

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._lock = threading.Lock()
        self._leading = threading.Lock()
        self._waiting: dict[str, list[threading.Lock]] = {}
        self._watch: Watch | None = None
        self._pid = 0

    def wait(self, name: str, look: Callable[[], Seen | None], seconds: float) -> Seen | None:
        """Return what *look* finds as soon as *name* has appeared; None when *seconds* are over.

        *look* is called before waiting, after every wake-up and every RESCAN seconds.
        """
        end = time.monotonic() + seconds
        bell = threading.Lock()
        bell.acquire()
        with self._lock:
            watch = self._watching()
            self._waiting.setdefault(name, []).append(bell)
        try:
            while (found := look()) is None and (now := time.monotonic()) < end:
                pause = min(end - now, RESCAN)
                if self._leading.acquire(blocking=False):
                    try:
                        if not bell.acquire(blocking=False):  # else the previous leader saw our name after we looked
                            self._lead(watch, name, now + pause)
                    finally:
                        self._leading.release()
                else:
                    bell.acquire(timeout=pause)
            return found
        finally:
            with self._lock:
                self._leave(name, bell)

    def close(self) -> None:
        """Close the descriptors. No thread may be waiting."""
        with self._lock:
            if self._watch is not None and self._pid == os.getpid():
                self._watch.close()
            self._watch = None

    def _watching(self) -> Watch:
        if self._watch is not None and self._pid != os.getpid():  # a forked child would steal its parent's events,
            self._watch = None
            self._leading = threading.Lock()  # and wait for its parent's leader
            self._waiting = {}
        if self._watch is None:
            self._watch, self._pid = Watch(self._directory), os.getpid()
        return self._watch

    def _lead(self, watch: Watch, wanted: str, end: float) -> None:
        """Wake the others as events come, until one concerns *wanted*, or may, or the time is over."""
        while (pause := end - time.monotonic()) > 0:
            names = [name for _, name in watch.wait(pause)]
            with self._lock:
                for name in names:
                    _ring(self._waiting.get(name, ()))
                if watch.blind or "" in names:  # it is not known which thread it concerns
                    for bells in self._waiting.values():
                        _ring(bells)
            if not names or wanted in names or "" in names:
                return

    def _leave(self, name: str, bell: threading.Lock) -> None:
        self._waiting[name].remove(bell)
        if not self._waiting[name]:
            del self._waiting[name]
        if self._waiting and not self._leading.locked():
            _ring(next(iter(self._waiting.values())))


def _ring(bells: Iterable[threading.Lock]) -> None:
    for bell in bells:
        if bell.locked():
            bell.release()
