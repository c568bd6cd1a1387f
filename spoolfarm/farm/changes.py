"""Changes: whether anything has changed in a farm, looked for by one thread for all who listen, while anybody does."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterator

from spoolfarm.errors import TooManyClients
from spoolfarm.farm.figures import Figures, count
from spoolfarm.spool import files
from spoolfarm.spool.job import FIRST, LAST
from spoolfarm.spool.spool import Spool

log = logging.getLogger(__name__)

#: Seconds between two looks, and after which a listener hears that nothing has changed.
LOOK, SILENCE = 0.5, 15.0
#: Nanoseconds within which a directory may change twice without a sign: the kernel's clock for it is coarse.
TICK = 20_000_000
#: Nanoseconds of a bucket, as a power of two: jobs come into that of now and, late, that before it.
SLOT_BITS = 32


class Changes:
    """The changes of *spool*: jobs that come, start, say something or end, and workers that come and go."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._changed = threading.Condition()
        self._listeners = 0
        #: How many changes have been seen, and what the farm was like after the last.
        self._number = 0
        self._figures: Figures | None = None
        self._thread: threading.Thread | None = None
        #: Whether nobody will hear anything any more.
        self.closed = False

    def follow(self, most: int, seconds: float) -> Listener:
        """The figures now, and whenever something has changed in so many *seconds*; None when nothing has for a while.

        Whoever listens closes it in the end. Raises TooManyClients when *most* listen already.
        """
        with self._changed:
            if self._listeners >= most:
                raise TooManyClients()
            self._listeners += 1
            if self._thread is None and not self.closed:
                self._figures = None
                self._thread = threading.Thread(target=self._watch, name="changes", daemon=True)
                self._thread.start()
        return Listener(self, time.monotonic() + seconds)

    def close(self) -> None:
        """Stop looking; who still listens comes to the end."""
        with self._changed:
            self.closed = True
            self._changed.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join()

    def next(self, seen: int, seconds: float) -> tuple[int, Figures | None]:
        """The number of the last change and the figures after it, once it is not *seen*; no figures after *seconds*.

        Raises StopIteration when the farm is closed.
        """
        with self._changed:
            self._changed.wait_for(lambda: (self._figures and self._number != seen) or self.closed, seconds)
            if self.closed:
                raise StopIteration
            return self._number, self._figures if self._number != seen else None

    def leave(self) -> None:
        """One listener fewer."""
        with self._changed:
            self._listeners -= 1
            self._changed.notify_all()

    def _watch(self) -> None:
        before: dict[str, int] = {}
        while True:
            try:
                if (now := self._stamp()) != before:
                    figures = count(self._spool)
                    with self._changed:
                        self._number, self._figures = self._number + 1, figures
                        self._changed.notify_all()
                before = now
            except OSError as error:
                log.warning("changes are not seen: %s", error)  # the next look may see them
            with self._changed:
                if self._changed.wait_for(lambda: self.closed or not self._listeners, LOOK):
                    self._thread = None
                    return

    def _stamp(self) -> dict[str, int]:
        """When each directory was changed last, in nanoseconds, and how many bytes each running job has said."""
        spool = self._spool
        slots = [f"{(time.time_ns() >> SLOT_BITS) - back:08x}" for back in (0, 1)]
        tasks = [f"{spool.queue}/{task}" for task in files.names(spool.queue)]
        buckets = [f"{task}/{each}{slot}" for task in tasks for each in range(FIRST, LAST + 1) for slot in slots]
        claims = [f"{spool.active}/{wid}" for wid in files.names(spool.active)]
        fixed = (spool.results.root, spool.dead.root, spool.queue, spool.active, spool.workers)
        stamp = {path: changed for path in (*fixed, *tasks, *buckets, *claims) if (changed := _changed(path))}
        recent = time.time_ns() - max(stamp.values(), default=0) < TICK
        for claimed in spool.running().values():
            stamp |= {file.id: spool.results.log_size(file.id) for file in claimed}
        return stamp | {"again": time.monotonic_ns()} if recent else stamp


class Listener(Iterator["Figures | None"]):
    """What one listener hears until *end*, by time.monotonic()."""

    def __init__(self, changes: Changes, end: float) -> None:
        self._changes = changes
        self._end = end
        self._seen = -1
        self._there = True

    def __next__(self) -> Figures | None:
        if (left := self._end - time.monotonic()) <= 0:
            raise StopIteration
        self._seen, figures = self._changes.next(self._seen, min(left, SILENCE))
        return figures

    def close(self) -> None:
        """Listen no more."""
        if self._there:
            self._there = False
            self._changes.leave()


def _changed(path: str) -> int:
    """When a directory was changed last, in nanoseconds since the epoch; 0 when there is none."""
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return 0
