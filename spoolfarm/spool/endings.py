"""Endings: how a job that is over is put away, its result first and its file last."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any

from spoolfarm.spool import counts, files, job_log
from spoolfarm.spool.counts import Counts
from spoolfarm.spool.deadletters import DeadLetters
from spoolfarm.spool.done import DoneJobs
from spoolfarm.spool.job import Job, Result, State
from spoolfarm.spool.jobfile import Claim, JobFile
from spoolfarm.spool.lock import lock
from spoolfarm.spool.results import Results

#: Seconds to wait for another process that ends a cancelled job, which takes it about a millisecond.
PATIENCE = 10.0
#: The codes of jobs whose own file is at fault.
DAMAGE = frozenset({"damaged", "unreadable"})
#: Those for which a worker is killed because of what its job does: the next one would be, too.
FAULTS = frozenset({"too_much_memory"})
#: The codes of jobs that no worker could end: they become dead letters even if they are not durable.
HOPELESS = DAMAGE | FAULTS | {"worker_died"}


class Endings:
    """Ends jobs in *results*, *dead* and *done*; a process that cancels one holds the file *lock*."""

    def __init__(self, results: Results, dead: DeadLetters, done: DoneJobs, counts: Counts, lock: str) -> None:
        self._results = results
        self._dead = dead
        self._done = done
        self._counts = counts
        self._lock = lock
        #: The visible results of claimed jobs that the disk has not let go of yet, by file.
        self._shown: dict[str, Result] = {}

    def finish(self, claim: Claim, result: Result) -> None:
        """Make *result* visible, and then remove the job. Raises OSError; calling it again continues from there."""
        if not self.begun(claim.path):  # else somebody may have taken the result since
            self._results.show(result, sync=claim.job.durable)
            self._shown[claim.path] = result
        self.let_go(claim.path, claim.job)

    def begun(self, path: str) -> bool:
        """Whether this process has made the result of the job in *path* visible, and could not remove the job."""
        return path in self._shown

    def let_go(self, path: str, job: Job) -> None:
        """The end of `finish` and `give_up`, for a *job* whose file is at *path*."""
        if job.durable:
            self._results.sync_names()
        if (result := self._shown[path]).status is State.SUCCEEDED:
            self._done.keep(path, job)
        else:
            self.settle(JobFile(path, job.id, job.attempts, State.RUNNING), result.record(), job)
        del self._shown[path]

    def tell(self, record: Mapping[str, Any]) -> None:
        """Count and log the end of a job that no worker of this process has run."""
        self._counts.add(counts.ending(record))
        job_log.tell(record)

    def give_up(self, file: JobFile, code: str, error: str, task: str = "?") -> None:
        """End a job that no worker can end. Raises OSError; calling it again continues from there."""
        job = file.job_or_guess(task)
        if not self.begun(file.path):
            if code in DAMAGE:
                error = f"{error}; it is kept in {self._dead.path(file.id)}"
            ended = Result.without_run(job, State.FAILED, error, code, self._results.lost(job.id))
            self._results.show(ended, sync=job.durable)
            self._shown[file.path] = ended
        record = self._shown[file.path].record()
        self.let_go(file.path, job)
        self.tell(record)

    def lose(
        self, file: JobFile, job: Job, cause: str, reason: str, *, alone: bool, last: bool, noted: bool = True
    ) -> bool:
        """Note that an attempt ended with its worker; end the job when it was the *last*, or to blame *alone*.

        False when the job is to be tried again. An attempt that is not *noted* leaves nothing in the job's log.
        """
        claimed, now = files.changed(file.path), time.time()
        lost = {"attempt": file.attempts, "worker": file.worker, "started": claimed, "ended": now, "reason": cause}
        if noted:
            self._results.write_log(file.id, log=f"attempt {file.attempts} ended: {cause}", attempt=lost)
        self._counts.add({("lost", job.task, reason): 1.0})
        if alone and reason in FAULTS:
            self.give_up(file, reason, cause)
        elif last:
            often = f"the worker died in every one of {file.attempts} attempts"
            self.give_up(file, "worker_died", f"{often if file.attempts > 1 else 'the worker died'}: {cause}")
        else:
            return False
        return True

    def settle(self, file: JobFile, record: Mapping[str, Any] | None, job: Job) -> Mapping[str, Any]:
        """Remove the file of a job whose result is visible; a durable job that failed becomes a dead letter.

        Returns the *record*; without one it is that of the result that this process has made visible.
        """
        record = self._shown[file.path].record() if record is None else record
        if record["status"] == State.FAILED and (job.durable or record.get("code") in HOPELESS):
            self._dead.bury(file.path, file.id, record)
        else:
            self._done.keep(file.path, job)
        return record

    def cancel(self, file: JobFile, patience: float) -> None:
        """End a job as cancelled. One caller at a time: a late one must not bring back a result that was forgotten.

        Raises filelock's Timeout when another caller has not finished within *patience* seconds.
        """
        with lock(self._lock, timeout=patience):
            try:
                job = file.job_or_guess()
            except FileNotFoundError:
                return  # another caller was first
            if os.path.lexists(file.path):  # a disk that cannot read it may not say that it is gone
                ended = self._cancelled(job)
                if self._results.publish(ended, sync=job.durable):
                    self.tell(ended.record())
                self._want_no_log(job)
                self._done.keep(file.path, job)

    def cancel_claimed(self, claim: Claim) -> None:
        """End a claimed job as cancelled, as `finish` does: it was queued again by who did not see its mark."""
        ended = self._cancelled(claim.job)
        self.finish(claim, ended)
        self._want_no_log(claim.job)
        self.tell(ended.record())

    def _cancelled(self, job: Job) -> Result:
        """The result of a job that is cancelled before it was run to its end; attempts may have been lost before."""
        return Result.without_run(job, State.CANCELLED, "cancelled", "cancelled", self._results.lost(job.id))

    def _want_no_log(self, job: Job) -> None:
        """Remove the log of a job that is not durable: who waits for its result collects that alone."""
        if not job.durable:
            self._results.remove_log(job.id)
