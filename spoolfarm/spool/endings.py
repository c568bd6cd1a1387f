"""Endings: how a job that is over is put away, its result first and its file last."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from spoolfarm.spool import counts, files, job_log
from spoolfarm.spool.counts import Counts
from spoolfarm.spool.deadletters import DeadLetters
from spoolfarm.spool.job import Job, Result, State
from spoolfarm.spool.jobfile import JobFile
from spoolfarm.spool.lock import lock
from spoolfarm.spool.results import Results

#: What a mark says when nobody wants the result.
FORGET = b"forget"
#: Seconds to wait for another process that ends a cancelled job, which takes it about a millisecond.
PATIENCE = 10.0
#: The codes of jobs that no worker could end: they become dead letters even if they are not durable.
HOPELESS = frozenset({"worker_died", "too_much_memory", "damaged", "unreadable"})
#: Those of them whose reason is the job's file.
DAMAGE = HOPELESS - {"worker_died", "too_much_memory"}
#: Those for which a worker is killed because of what its job does: the next one would be, too.
FAULTS = frozenset({"too_much_memory"})


class Endings:
    """Ends jobs in *results* and *dead*; a process that cancels one holds the file *lock*."""

    def __init__(self, results: Results, dead: DeadLetters, counts: Counts, lock: str) -> None:
        self._results = results
        self._dead = dead
        self._counts = counts
        self._lock = lock

    def tell(self, record: Mapping[str, Any]) -> None:
        """Count and log the end of a job that no worker of this process has run."""
        self._counts.add(counts.ending(record))
        job_log.tell(record)

    def give_up(self, file: JobFile, code: str, error: str, task: str = "?") -> None:
        """End a job that no worker can end."""
        job = file.job_or_guess(task)
        if code in DAMAGE:
            error = f"{error}; it is kept in {self._dead.path(file.id)}"
        ended = Result.without_run(job, State.FAILED, error, code, self._results.lost(job.id))
        self._results.publish(ended, sync=job.durable)
        self._dead.bury(file.path, file.id, ended.record())
        self.tell(ended.record())

    def lose(self, file: JobFile, task: str, cause: str, reason: str, *, alone: bool, last: bool) -> bool:
        """Note that an attempt ended with its worker; end the job when it was the *last*, or to blame *alone*.

        False when the job is to be tried again.
        """
        claimed, now = files.changed(file.path), time.time()
        lost = {"attempt": file.attempts, "worker": file.worker, "started": claimed, "ended": now, "reason": cause}
        self._results.write_log(file.id, log=f"attempt {file.attempts} ended: {cause}", attempt=lost)
        self._counts.add({("lost", task, reason): 1.0})
        if alone and reason in FAULTS:
            self.give_up(file, reason, cause)
        elif last:
            often = f"the worker died in every one of {file.attempts} attempts"
            self.give_up(file, "worker_died", f"{often if file.attempts > 1 else 'the worker died'}: {cause}")
        else:
            return False
        return True

    def settle(self, file: JobFile, record: Mapping[str, object], job: Job) -> None:
        """Remove the file of a job whose result is visible; a durable job that failed becomes a dead letter."""
        if record["status"] == State.FAILED and (job.durable or record.get("code") in HOPELESS):
            self._dead.bury(file.path, file.id, record)
        else:
            files.remove(file.path)

    def cancel(self, file: JobFile, patience: float) -> None:
        """End a job as cancelled. One caller at a time: a late one must not bring back a result that was forgotten.

        Raises filelock's Timeout when another caller has not finished within *patience* seconds.
        """
        with lock(self._lock, timeout=patience):
            try:
                job = file.job_or_guess()
            except FileNotFoundError:
                return  # another caller was first
            ended = Result.without_run(job, State.CANCELLED, "cancelled", "cancelled")
            if self._results.publish(ended, sync=job.durable):
                self.tell(ended.record())
            files.remove(file.path)

    def drop_mark(self, mark: JobFile) -> None:
        """Remove a mark whose job has ended, and with it a result that nobody wants."""
        try:
            if files.read(mark.path) == FORGET:
                self._results.remove(mark.id)
        except FileNotFoundError:
            return  # another caller was first
        files.remove(mark.path)
