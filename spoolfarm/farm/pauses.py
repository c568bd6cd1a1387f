"""Pauses: which tasks rest, so that their jobs are accepted and wait, and who says so."""

from __future__ import annotations

from collections.abc import Iterable

from spoolfarm.spool.paused import ALL
from spoolfarm.spool.spool import Spool
from spoolfarm.tasks.registry import Registry


class Pauses:
    """The pauses of *spool*. They outlive whoever made them; jobs that run when a pause begins run to their end."""

    def __init__(self, spool: Spool, tasks: Registry) -> None:
        self._spool = spool
        self._tasks = tasks

    def pause(self, task: str = ALL) -> None:
        """Have no job of *task*, or of any task, begin until it is resumed. Raises UnknownTask, SpoolUnavailable."""
        if task != ALL:
            self._tasks.get(task)
        self._spool.pause(task)

    def resume(self, task: str = ALL) -> None:
        """Have the jobs of *task* done again; without one, those of all. Raises UnknownTask, SpoolUnavailable.

        While all tasks are paused together, one that is resumed rests on with them: see `names`.
        """
        if task not in self.names() and task != ALL:
            self._tasks.get(task)
        self._spool.resume(task)

    def names(self) -> list[str]:
        """The tasks that are paused; ALL stands for all of them together."""
        return self._spool.paused.names()

    def on(self, task: str) -> bool:
        """Whether *task* is paused, by itself or with all."""
        return self._spool.paused.on(task)

    def waiting(self) -> dict[str, int]:
        """How many jobs wait for a worker, by task: those of a paused task wait for somebody who resumes it."""
        resting = self.names()
        queued = {} if ALL in resting else self._spool.count()
        return {task: number for task, number in queued.items() if task not in resting}

    def since(self) -> dict[str, float]:
        """When each pause began, in seconds since the epoch, by what `names` gives."""
        return {name: self._spool.paused.since(name) for name in self.names()}


def why(spool: Spool, tasks: Iterable[str]) -> str:
    """Which of *tasks* are paused, as the end of a sentence about a job that waits; nothing when none is."""
    resting = sorted(filter(spool.paused.on, tasks))
    return f"; paused: {', '.join(resting)}, and the job waits until it is resumed" if resting else ""
