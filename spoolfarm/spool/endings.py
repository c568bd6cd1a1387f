"""Endings: how a job that is over is put away, its result first and its file last."""

from __future__ import annotations

from collections.abc import Mapping

from spoolfarm.spool import files
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


class Endings:
    """Ends jobs in *results* and *dead*; a process that cancels one holds the file *lock*."""

    def __init__(self, results: Results, dead: DeadLetters, lock: str) -> None:
        self._results = results
        self._dead = dead
        self._lock = lock

    def give_up(self, file: JobFile, code: str, error: str, task: str = "?") -> None:
        """End a job that no worker can end."""
        job = file.job_or_guess(task)
        if code in DAMAGE:
            error = f"{error}; it is kept in {self._dead.path(file.id)}"
        ended = Result.without_run(job, State.FAILED, error, code, self._results.lost(job.id))
        self._results.publish(ended, sync=job.durable)
        self._dead.bury(file.path, file.id, ended.record())

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
            self._results.publish(Result.without_run(job, State.CANCELLED, "cancelled", "cancelled"), sync=job.durable)
            files.remove(file.path)

    def drop_mark(self, mark: JobFile) -> None:
        """Remove a mark whose job has ended, and with it a result that nobody wants."""
        try:
            if files.read(mark.path) == FORGET:
                self._results.remove(mark.id)
        except FileNotFoundError:
            return  # another caller was first
        files.remove(mark.path)
