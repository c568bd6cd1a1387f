"""The local executor: runs a batch in this process."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from spoolfarm.spool.job import Job
from spoolfarm.tasks import Context, Task

log = logging.getLogger("spoolfarm.worker")


class LocalExecutor:
    """Holds the tasks of one worker, set up once."""

    def __init__(self, tasks: Mapping[str, Task]) -> None:
        self._tasks = dict(tasks)
        self._process = os.getpid()

    def setup(self, wait: Callable[[], None] = lambda: None) -> dict[str, str]:
        """Load every task's models. Those that fail are left out from now on, and returned with the reason."""
        failed = {}
        for name, task in list(self._tasks.items()):
            try:
                task.setup()
            except BaseException as error:  # one bad task shall cost no other
                failed[name] = f"{type(error).__name__}: {text_of(error)}"
                log.error("task %s is disabled: its setup failed: %s", name, failed[name], exc_info=error)
                del self._tasks[name]
        return failed

    def tasks(self) -> list[str]:
        """Those that were set up."""
        return list(self._tasks)

    def well(self) -> bool:
        """As long as its process."""
        return True

    def most(self, task: str) -> int:
        """The most jobs of *task* in one batch."""
        return self._tasks[task].max_batch

    def about(self) -> Mapping[str, Any]:
        """Nothing that the worker does not know."""
        return {}

    def close(self) -> None:
        """It ends with its process."""

    def run(self, task: str, batch: Sequence[Job], context: Context) -> list[Any]:
        """Run *batch*; return for each job, in order, its result or the exception that ended it.

        When a batch of several fails as a whole, each job is run alone, so that only the bad one fails. A signal that
        ends the worker raises nothing here, so whatever is raised is the task's own, be it a SystemExit. A child that
        the task has forked comes back here, too, and runs nothing more.
        """
        try:
            return _one_each(self._tasks[task].run(batch, context), task, len(batch))
        except BaseException as error:  # noqa: BLE001  # whatever a task raises is the answer to its job
            if len(batch) == 1 or os.getpid() != self._process:
                return [error]
        return [outcome for job in batch for outcome in self.run(task, [job], context)]


def _one_each(outcomes: Any, task: str, jobs: int) -> list[Any]:
    """The *outcomes* when there is one for each of the *jobs*. Raises TypeError that says what `run` must return."""
    if not isinstance(outcomes, (list, tuple)):
        kind = "None" if outcomes is None else f"an object of type {type(outcomes).__name__}"
    elif len(outcomes) != jobs:
        kind = f"{len(outcomes)} results for {jobs} jobs"
    else:
        return list(outcomes)
    raise TypeError(f"task {task} returned {kind}; run must return a list with one result for each job, in order")


def exit_status(outcome: Any) -> int:
    """The exit status of a child that a task has forked and that came back with *outcome*."""
    if isinstance(outcome, SystemExit) and (outcome.code is None or isinstance(outcome.code, int)):
        return (outcome.code or 0) & 0xFF
    return int(isinstance(outcome, BaseException))


def text_of(error: BaseException) -> str:
    """What *error* says, also when saying so fails."""
    try:
        return str(error)
    except BaseException as another:  # noqa: BLE001  # it is a task's, as the first one
        return f"(no text, for asking for it raised {type(another).__name__})"
