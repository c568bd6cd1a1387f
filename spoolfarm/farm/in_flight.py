"""In flight: the jobs that one caller has under way, each with what it is for, until their records have been taken."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Generic, TypeVar

from spoolfarm.errors import UnknownJob
from spoolfarm.spool.job import Job, State
from spoolfarm.spool.spool import Spool

Item = TypeVar("Item")

#: Seconds without news after which a result may have been removed before it was read.
LOST = 5.0


class InFlight(Generic[Item]):
    """Enqueues jobs and takes their records, leaving nothing behind. Leaving it early cancels what is under way."""

    def __init__(self, spool: Spool, put: Callable[[Job], object]) -> None:
        """*put* queues a job in *spool*, or raises."""
        self._spool = spool
        self._put = put
        self._watch = spool.results.watch()
        self._waiting: dict[str, Item] = {}
        self._search_due = time.monotonic() + LOST

    def __enter__(self) -> InFlight[Item]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._watch.close()
        for job_id in self._waiting:
            self._spool.forget(job_id)

    def __len__(self) -> int:
        """How many jobs are under way."""
        return len(self._waiting)

    def put(self, job: Job, item: Item) -> None:
        """Queue *job*, which is for *item*. Raises what *put* raises."""
        self._put(job)
        self._waiting[job.id] = item

    def fill(self, jobs: Iterator[tuple[Job, Item] | None], most: int) -> bool:
        """Queue *jobs*, each with what it is for, until *most* are under way or a None; False when all have ended."""
        while len(self) < most and (found := next(jobs, None)) is not None:
            self.put(*found)
        return bool(self._waiting)

    def finished(self) -> Iterator[tuple[Item, dict[str, Any]]]:
        """Wait a moment for jobs that end; yield the item and the record of each.

        The files of a result exist until the next one is requested.
        """
        for record in self._spool.results.arrived(self._watch, self._waiting) or self._lost():
            self._search_due = time.monotonic() + LOST
            item = self._waiting.pop(record["id"])
            try:
                yield item, record
            finally:
                self._spool.results.collect(record)

    def wake(self) -> None:
        """End the wait of `finished`. A signal handler may call this."""
        self._watch.wake()

    def withdraw(self) -> None:
        """Cancel the jobs that no worker has yet; their records arrive like those of the others."""
        for job_id in list(self._waiting):
            file = self._spool.find(job_id)
            if file is not None and file.state is State.QUEUED:
                try:
                    self._spool.cancel(job_id)
                except UnknownJob:
                    continue  # its result was there, but has just been removed

    def _lost(self) -> list[dict[str, Any]]:
        """Records of the jobs that no longer exist anywhere, as if they had failed."""
        if time.monotonic() < self._search_due:
            return []
        self._search_due = time.monotonic() + LOST
        gone = [job_id for job_id in self._waiting if self._spool.find(job_id) is None]
        error = "its result was removed before anybody had read it"
        return [{"id": job_id, "status": State.FAILED, "error": error, "code": UnknownJob.code} for job_id in gone]
