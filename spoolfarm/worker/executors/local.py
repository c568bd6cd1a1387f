"""The local executor: runs a batch in this process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from spoolfarm.spool.job import Job
from spoolfarm.tasks import Context, Task


class LocalExecutor:
    """Holds the tasks of one worker, set up once."""

    def __init__(self, tasks: Mapping[str, Task]) -> None:
        self._tasks = tasks

    def setup(self) -> None:
        """Load every task's models."""
        for task in self._tasks.values():
            task.setup()

    def most(self, task: str) -> int:
        """The most jobs of *task* in one batch."""
        return self._tasks[task].max_batch

    def run(self, task: str, batch: Sequence[Job], context: Context) -> list[Any]:
        """Run *batch*; return for each job, in order, its result or the exception that ended it.

        When a batch of several fails as a whole, each job is run alone, so that only the bad one fails.
        """
        try:
            outcomes = list(self._tasks[task].run(batch, context))
            if len(outcomes) != len(batch):
                raise RuntimeError(f"task {task} returned {len(outcomes)} results for {len(batch)} jobs")
        except Exception as error:  # noqa: BLE001  # whatever a task raises is the answer to its job
            if len(batch) == 1:
                return [error]
            return [outcome for job in batch for outcome in self.run(task, [job], context)]
        return outcomes
