"""The context: what a running task may report and query, for all jobs that it runs together."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from spoolfarm.errors import FarmError, JobCancelled
from spoolfarm.farm.farm import Farm
from spoolfarm.farm.subjobs import Subjobs
from spoolfarm.spool import files
from spoolfarm.spool.jobfile import Claim
from spoolfarm.tasks import Answer, Key, Limits, Part, Stopping

#: Least seconds between two lines of progress in a job's log.
PROGRESS_STEP = 0.1


class RunContext:
    """What the task that runs a batch may report and query: it speaks for all jobs of the batch."""

    def __init__(
        self,
        farm: Farm,
        batch: Sequence[Claim],
        stopping: Callable[[], bool],
        rest: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        """Within *rest* the time that passes is not that of the batch."""
        self._farm = farm
        self._spool = farm.spool
        self._whole = batch[0].job
        self._stopping = stopping
        self._rest = rest
        self._parts: Subjobs | None = None
        self._ids = [claim.job.id for claim in batch]
        self._next_progress = 0.0
        self._scratch: Path | None = None
        #: Whether there is a log.
        self.spoke = False

    @property
    def limits(self) -> Limits:
        """See `Context.limits`; most tasks do not ask."""
        return Limits(self._farm.settings.max_pixels, self._farm.settings.max_pages)

    def log(self, line: str) -> None:
        """Add *line* to the log of each job."""
        self._write(log=str(line))

    def progress(self, fraction: float) -> None:
        """Note how much is done, 0 to 1; too many notes are thinned out, and what is no number says nothing."""
        done = float(fraction)
        if math.isfinite(done) and time.monotonic() >= self._next_progress:
            self._next_progress = time.monotonic() + PROGRESS_STEP
            self._write(progress=round(min(max(done, 0.0), 1.0), 4))

    def cancelled(self) -> bool:
        """Whether every job of the batch was cancelled."""
        return all(map(self._spool.marked, self._ids))

    def scratch(self) -> Path:
        """A directory on the results' file system, made on first use."""
        if self._scratch is None:
            self._scratch = self._spool.results.attachments.scratch(self._ids[0])
        return self._scratch

    def map(self, task: str, items: Iterable[tuple[Key, Part | FarmError]]) -> Iterator[tuple[Key, Answer | FarmError]]:
        """See `Context.map`. A task that calls this has a `max_batch` of 1."""
        self._parts = self._parts or Subjobs(
            self._spool, self._farm.tasks, self._farm.settings.workers, self._whole, self._go_on, self._rest
        )
        return self._parts.map(task, items)

    def close(self, *, ended: bool = True) -> None:
        """Remove what the batch left; its parts stay unless it has *ended*."""
        if self._parts is not None and ended:
            self._parts.forget()
        if self._scratch is not None:
            files.remove_tree(str(self._scratch))

    def _go_on(self) -> None:
        if self.cancelled():
            raise JobCancelled("cancelled before all of its parts were done")
        if self._stopping():
            raise Stopping

    def _write(self, **said: Any) -> None:
        self.spoke = True
        for job_id in self._ids:
            self._spool.results.write_log(job_id, **said)
