"""Executors: where a batch runs, and what a worker asks of such a place."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from spoolfarm.spool.job import Job
from spoolfarm.tasks import Context


class AttemptLost(Exception):
    """An attempt ended without an outcome while its worker lives: why, in a sentence and in a word."""

    def __init__(self, cause: str, reason: str, *, blamed: bool = False) -> None:
        super().__init__(cause)
        self.cause = cause
        self.reason = reason
        #: Whether the job may be at fault, so that the attempt counts.
        self.blamed = blamed


class Executor(Protocol):
    """Where the jobs of one worker run."""

    def setup(self, wait: Callable[[], None]) -> Mapping[str, str]:
        """Get ready for every task; return those that fail, each with the reason.

        What is not there yet is waited for by *wait*, which raises Stopping when the worker is to end.
        """

    def tasks(self) -> list[str]:
        """The tasks that it is ready for."""

    def well(self) -> bool:
        """Whether it is still ready; asked about once a second while the worker is idle."""

    def most(self, task: str) -> int:
        """The most jobs of *task* in one batch."""

    def run(self, task: str, batch: Sequence[Job], context: Context) -> list[Any]:
        """Run *batch*; return for each job, in order, its result or the exception that ended it."""

    def about(self) -> Mapping[str, Any]:
        """Where the jobs run, for the worker to announce."""

    def close(self) -> None:
        """Let go of what it holds."""
