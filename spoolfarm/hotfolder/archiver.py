"""Archiver: answered files on their way out of the inbox, moved by a thread once their answers are synced."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from spoolfarm.farm.sidecars import Sidecars
from spoolfarm.hotfolder.journal import Journal, Note
from spoolfarm.hotfolder.outbox import Fate, Outbox

log = logging.getLogger(__name__)

#: Seconds that a file stays where it is after its answer: its writer may still set its times, owner and mode.
LINGER = 2.0
#: Seconds until a file that has changed or disappeared is looked for again: by then any new name has been seen.
AGAIN = 1.5
#: Seconds until a file that the disk refuses to move is tried again.
STUCK = 60.0


@dataclass
class Leaving:
    """One answered file."""

    id: str
    endings: Sidecars
    #: When to move it, by time.monotonic().
    due: float
    #: Whether it was missing when it was to be moved.
    missed: bool = False


class Archiver:
    """Moves files out, and removes their notes."""

    def __init__(self, outbox: Outbox, journal: Journal, wake: Callable[[], None]) -> None:
        self._outbox = outbox
        self._journal = journal
        self._wake = wake
        self._waiting: deque[Leaving] = deque()
        self._thread = ThreadPoolExecutor(1, "archiver")
        self._thread.submit(int)  # it begins now: once there are files to move, there may be no thread to be had
        self._moving: Future[list[tuple[Leaving, Note, Fate | OSError]]] | None = None

    def add(self, job_id: str, endings: Sidecars) -> None:
        """The answer to job *job_id* is written."""
        self._waiting.append(Leaving(job_id, endings, time.monotonic() + LINGER))

    @property
    def due(self) -> float:
        """When there is something to do even without a wake-up, by time.monotonic()."""
        return self._waiting[0].due if self._waiting and self._moving is None else float("inf")

    def step(self) -> list[Note]:
        """Record which files have left, and move those that are due; return the notes of files that have changed."""
        changed: list[Note] = []
        if self._moving is not None and self._moving.done():
            for leaving, note, fate in self._moving.result():
                self._note(leaving, note, fate, changed)
            self._moving = None
        now = time.monotonic()
        if self._moving is None and self._waiting and self._waiting[0].due <= now:
            batch = []
            while self._waiting and self._waiting[0].due <= now:
                leaving = self._waiting.popleft()
                if (known := self._journal.get(leaving.id)) is not None:
                    batch.append((leaving, known))
            self._moving = self._thread.submit(self._move, batch)
            self._moving.add_done_callback(lambda _: self._wake())
        return changed

    def end(self, note: Note) -> None:
        """Nothing is left to be done for *note*."""
        self._journal.remove(note)
        self._outbox.forget(note)

    def close(self) -> None:
        """Finish what is under way."""
        self._thread.shutdown()

    def _note(self, leaving: Leaving, note: Note, fate: Fate | OSError, changed: list[Note]) -> None:
        """Act on what became of one file. *note* is what was known when its move began."""
        if self._journal.get(note.id) == note and (fate is Fate.SETTLED or (fate is Fate.GONE and leaving.missed)):
            self.end(note)
            return
        if isinstance(fate, OSError):
            log.error("%r is answered and cannot be moved beside its answer: %s", note.path, fate.strerror)
        elif fate is Fate.CHANGED:
            changed.append(note)
        later = STUCK if isinstance(fate, OSError) else AGAIN
        leaving.missed = fate is Fate.GONE
        leaving.due = time.monotonic() + later
        at = next((at for at, other in enumerate(self._waiting) if other.due > leaving.due), len(self._waiting))
        self._waiting.insert(at, leaving)

    def _move(self, batch: Sequence[tuple[Leaving, Note]]) -> list[tuple[Leaving, Note, Fate | OSError]]:
        """Sync the answers, and then move the files. Runs in the thread."""
        try:
            self._outbox.sync([(note, leaving.endings) for leaving, note in batch])
        except OSError as error:
            return [(leaving, note, error) for leaving, note in batch]
        return [(leaving, note, self._settle(note)) for leaving, note in batch]

    def _settle(self, note: Note) -> Fate | OSError:
        try:
            return self._outbox.settle(note)
        except OSError as error:
            return error
