"""Autoscaling: how many general workers there should be, by how many jobs wait and how many workers have none."""

from __future__ import annotations

from dataclasses import dataclass

from spoolfarm.config import Crew

#: Seconds for which jobs must have waited, with every worker busy, before more workers are started.
PATIENCE = 1.0
#: Seconds for which workers must have had no job before they are ended.
IDLE = 60.0


@dataclass(frozen=True, slots=True)
class Look:
    """The general workers at one moment, by time.monotonic()."""

    now: float
    #: Workers that there should be, those that are ready, and those that have a job.
    wanted: int
    ready: int
    busy: int
    #: Jobs that wait for them.
    waiting: int


class Autoscale:
    """Between the least and the most of *crew*: doubles while jobs wait, and ends those whom nobody has needed."""

    def __init__(self, crew: Crew) -> None:
        self.crew = crew
        self._waiting_since: float | None = None
        self._idle_since: float | None = None
        #: The fewest workers without a job since then.
        self._idle = 0

    def shift(self, more: int) -> None:
        """Have one worker *more* at least and at most, or one fewer."""
        self.crew = Crew(max(0, self.crew.least + more), max(0, self.crew.most + more))

    def wanted(self, look: Look) -> int:
        """How many workers there should be now."""
        held = min(max(look.wanted, self.crew.least), self.crew.most)
        return min(max(held + self._more(look) - self._fewer(look), self.crew.least), self.crew.most)

    def _more(self, look: Look) -> int:
        """Workers that are to be started: none while some are not ready, which may be all that there is room for."""
        if not look.waiting or look.busy < look.ready or look.ready < look.wanted:
            self._waiting_since = None
            return 0
        self._waiting_since = look.now if self._waiting_since is None else self._waiting_since
        if look.now - self._waiting_since < PATIENCE:
            return 0
        self._waiting_since = None
        return min(look.waiting, max(1, look.wanted))

    def _fewer(self, look: Look) -> int:
        """Workers that nobody has needed for a while."""
        idle = look.ready - look.busy
        if look.waiting or idle <= 0:
            self._idle_since = None
            return 0
        if self._idle_since is None:
            self._idle_since, self._idle = look.now, idle
        self._idle = min(self._idle, idle)
        if look.now - self._idle_since < IDLE:
            return 0
        self._idle_since = None
        return self._idle
