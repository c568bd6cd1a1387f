"""Recovery: what dead processes left behind is sent to where it belongs."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any

from spoolfarm.spool import files
from spoolfarm.spool.endings import Endings
from spoolfarm.spool.job import DamagedJob, Job, State, UnreadableJob
from spoolfarm.spool.jobfile import JobFile, job_files
from spoolfarm.spool.lease import Lease, known
from spoolfarm.spool.locate import Locator
from spoolfarm.spool.marks import Marks
from spoolfarm.spool.record import DamagedRecord, damaged

log = logging.getLogger(__name__)

#: Seconds for which a job may be unreadable before it is given up.
UNREADABLE = 60.0


class Recovery:
    """Recovers the jobs of dead *workers*, which end by *endings*, and tidies the *marks*."""

    def __init__(
        self,
        workers: str,
        locator: Locator,
        endings: Endings,
        marks: Marks,
        requeue: Callable[[str, Job, int], None],
        retire: Callable[[Lease], None],
    ) -> None:
        """*requeue* and *retire* are the acts of the spool."""
        self._workers = workers
        self._locator = locator
        self._results = locator.results
        self._endings = endings
        self._marks = marks
        self._requeue = requeue
        self._retire = retire

    def run(self, causes: Mapping[str, str], reasons: Mapping[str, str], living: Collection[str]) -> int:
        """See `Spool.reclaim`."""
        active, seen = self._locator.active, 0
        for wid in known(self._workers, active):
            if wid in living or (lease := Lease.take_over(self._workers, active, wid)) is None:
                continue
            try:
                had = list(job_files(lease.active, State.RUNNING))
                why = causes.get(wid, "its worker died"), reasons.get(wid, "unknown"), len(had) == 1
                seen += sum(self._try(self._recover, file, *why) for file in had)
                self._retire(lease)
            finally:
                lease.drop()
        for file in self._marks.cancelled():
            self._try(self._endings.cancel, file, 0.0)
        for mark in self._marks.files():
            self._try(self._marks.tidy, mark, self._locator.find)
        return seen

    def _try(self, act: Callable[..., None], file: JobFile, *more: Any) -> bool:
        """Do *act* for one job. If the disk refuses, the job stays as it is and must not keep the others waiting."""
        try:
            act(file, *more)
        except Exception as error:  # whatever one job's files hold, the others are recovered
            log.error("job %s: not recovered yet: %s", file.id, error, exc_info=not isinstance(error, OSError))
            return False
        return True

    def _recover(self, file: JobFile, cause: str, reason: str, alone: bool) -> None:
        """Send a job whose worker is dead to where it belongs; *alone*: that worker had no other job."""
        patient = time.time() - files.changed(file.path) < UNREADABLE  # the disk may do better the next time
        try:
            record = self._results.read(file.id)
        except DamagedRecord:
            self._results.remove(file.id)  # a power cut corrupted it
            record = None
        except OSError as error:
            if patient or error.errno not in files.UNREADABLE or not self._results.exists(file.id):
                raise
            record = damaged(file.id, 0.0, str(error))
        if record is not None or self._endings.begun(file.path):
            ended = self._endings.settle(file, record, file.job_or_guess())
            self._endings.tell(ended)  # its worker died before it could
            return
        try:
            job = file.job()
        except DamagedJob as error:
            if patient and isinstance(error, UnreadableJob):
                raise OSError(str(error)) from error
            self._endings.give_up(file, error.code, str(error))
            return
        self.lose(file, job, cause, reason, alone=alone)

    def lose(self, file: JobFile, job: Job, cause: str, reason: str, *, alone: bool, counts: bool = True) -> None:
        """Queue a claimed *job* again whose attempt ended without a result, or end it.

        *alone*: its worker had no other job; *counts*: it was one of the job's attempts.
        """
        if self._marks.on(file.id):
            self._endings.cancel(file, 0.0)
            return
        most = self._locator.attempts
        last = counts and file.attempts >= min(job.tries or most, most)
        noted = counts or job.durable  # the worker that ends a job looks for a log to remove when attempts were lost
        if not self._endings.lose(file, job, cause, reason, alone=alone, last=last, noted=noted):
            self._requeue(file.path, job, file.attempts if counts else file.attempts - 1)
