"""The scanner: which paths of the inbox to look at next: those that an event names, and regularly all of them."""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from collections.abc import Collection, Iterator, Sequence

from spoolfarm.hotfolder.dropped import Identity
from spoolfarm.hotfolder.inbox import Inbox, is_ours
from spoolfarm.spool.watch import APPEARED, NO_LINK, WRITTEN, Watch

log = logging.getLogger(__name__)

#: Seconds between scans of the whole inbox: an event is only a hint.
RESCAN = 1.0
#: The same, as a multiple of a scan's duration, so that an inbox of a hundred thousand files is not scanned constantly.
RESCAN_SHARE = 20
#: The most seconds between them: the process may have been stopped in the middle of a scan.
RESCAN_MOST = 60.0
#: Seconds between scans where no events come.
POLL = 0.1
#: The most paths kept from events; any further ones are found by the next scan of the whole inbox.
MOST_HINTS = 10_000
#: What happens to a file in the inbox that is worth a look.
EVENTS = WRITTEN | APPEARED | NO_LINK


class Scanner:
    """Looks at the folders of *tasks* in *inbox*, and at one more directory, *elsewhere*, when asked to."""

    def __init__(self, inbox: Inbox, tasks: Sequence[str], elsewhere: str) -> None:
        self._inbox = inbox
        self._tasks = tasks
        self._elsewhere = elsewhere
        self._watch = Watch(poll=POLL)
        self._listening = False
        self._hints: deque[str] = deque()
        #: The scan of the whole inbox that is under way, when the next one begins, and what this one has cost.
        self._walk: Iterator[str] | None = None
        self._due = 0.0
        self._cost = 0.0
        #: Since when a file has been unchanged, by path.
        self._since: dict[str, tuple[Identity, float]] = {}
        self._strangers: list[tuple[str, int]] = []

    def next(self) -> str | None:
        """The next path to look at: it may be a file, a folder, or gone. None when there is none for now."""
        if self._hints:
            return self._hints.popleft()
        begin = time.monotonic()
        if self._walk is None:
            if begin < self._due:
                return None
            self._walk = self._everything()
            self._cost = 0.0
        path = next(self._walk, None)
        self._cost += time.monotonic() - begin
        if path is None:
            self._walk = None
            self._tidy()
            self._due = time.monotonic() + max(
                POLL if self._watch.blind else RESCAN, min(RESCAN_SHARE * self._cost, RESCAN_MOST)
            )
        return path

    @property
    def due(self) -> float:
        """When there will be a next path even without an event, by time.monotonic()."""
        return 0.0 if self._hints or self._walk is not None else self._due

    def hint(self, *paths: str) -> None:
        """Look at *paths* before all others."""
        self._hints.extendleft(reversed(paths))

    def enter(self, folder: str) -> None:
        """Look at all that is in a new *folder*."""
        self._hints.extend(self._inbox.walk(folder, self._see))

    def quiet(self, path: str, identity: Identity) -> float:
        """For how many seconds the file at *path* is known to have been this version."""
        now = time.monotonic()
        seen, since = self._since.get(path, (None, now))
        if seen != identity:
            since = now
        self._since[path] = (identity, since)
        return now - since

    def listen(self, seconds: float, *, elsewhere: bool) -> list[str] | None:
        """Wait for events, for *seconds* at most; return the names from events in *elsewhere*.

        An event that came while nobody listened ends the wait at once. None when something may have happened there
        without an event.
        """
        if elsewhere != self._listening:
            self._listening = elsewhere
            if elsewhere:
                self._watch.add(self._elsewhere, APPEARED)
                return None
            self._watch.remove(self._elsewhere)
        names: list[str] = []
        lost = self._watch.blind
        for folder, name in self._watch.wait(seconds):
            if not folder:
                lost = True
                self._due = 0.0
            elif folder == self._elsewhere:
                names.append(name)
            elif is_ours(name):
                self._hints.append(f"{folder}/{name}".removeprefix(f"{self._inbox.root}/"))
        if len(self._hints) > MOST_HINTS:
            self._hints.clear()
            self._due = 0.0
        return None if lost else names

    def wake(self) -> None:
        """End the wait of the other thread, or the next one."""
        self._watch.wake()

    def close(self) -> None:
        """Stop watching."""
        self._watch.close()

    def _everything(self) -> Iterator[str]:
        for task in self._tasks:
            yield from self._inbox.walk(task, self._see)

    def _see(self, folder: str) -> None:
        self._watch.add(f"{self._inbox.root}/{folder}", EVENTS)

    def _tidy(self) -> None:
        """Forget what is gone, and report files that no task will take."""
        for directory in self._watch.directories():
            if not os.path.isdir(directory):
                self._watch.remove(directory)
        gone = [path for path in self._since if not os.path.lexists(f"{self._inbox.root}/{path}")]
        for path in gone:
            del self._since[path]
        self._name(self._inbox.strangers(self._tasks))

    def _name(self, strangers: Collection[tuple[str, int]]) -> None:
        for name, number in strangers:
            if (name, number) not in self._strangers:
                log.warning("inbox/%s (%d files) is no folder of a task that takes files", ascii(name)[1:-1], number)
        self._strangers = list(strangers)
