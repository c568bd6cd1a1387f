"""Planted races: mistakes, some of which the spool once made, each of which the simulation has to find."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any
from unittest import mock

from spoolfarm.spool import deadletters, endings, files, jobfile
from spoolfarm.spool.buckets import Bucket, bucket
from spoolfarm.spool.deadletters import DeadLetters
from spoolfarm.spool.job import Job, Result, State
from spoolfarm.spool.jobfile import Claim, JobFile
from spoolfarm.spool.lease import Lease
from spoolfarm.spool.marks import FORGET, Marks
from spoolfarm.spool.paused import PausedTasks
from spoolfarm.spool.spool import Spool


@dataclass(frozen=True)
class Race:
    """One mistake: what is put in the place of what."""

    target: Any
    name: str
    mistake: Callable[..., Any]

    def planted(self) -> AbstractContextManager[Any]:
        """Within it the mistake is made."""
        return mock.patch.object(self.target, self.name, self.mistake)


def marks_unseen(marks: Marks, job_id: str) -> bool:
    return False


def no_lock(*arguments: object, **named: object) -> AbstractContextManager[None]:
    return nullcontext()


def letter_emptied(letters: DeadLetters, job_id: str, tmp: str) -> None:
    """Takes whatever lies there for what was left of the old letter."""
    letter = letters.path(job_id)
    for name in files.names(letter):
        files.remove(f"{letter}/{name}")
    files.remove_empty(letter)


def published_by_rename(temporary: str, path: str) -> bool:
    os.rename(temporary, path)
    return True


def claimed_in_two_steps(held: Spool, lease: Lease, place: Bucket, name: str) -> Claim | None:
    parsed = jobfile.NAME.fullmatch(name)
    assert parsed is not None
    path = f"{lease.active}/{parsed[1]}.a{int(parsed[2]) + 1}"
    try:
        os.link(f"{place.path}/{name}", path)
        os.unlink(f"{place.path}/{name}")
    except FileNotFoundError:
        return None
    return Claim(jobfile.read_job(path, int(parsed[2]) + 1), path, 0.0)


def uncounted(held: Spool, lease: Lease, place: Bucket, name: str) -> Claim | None:
    path = f"{lease.active}/{name}"
    try:
        os.rename(f"{place.path}/{name}", path)
    except FileNotFoundError:
        return None
    return Claim(jobfile.read_job(path, 1), path, 0.0)


def let_go_too_early(held: Spool, claim: Claim, result: Result) -> None:
    files.remove(claim.path)
    held.results.publish(result, sync=claim.job.durable)


def finished_from_the_start(held: Spool, claim: Claim, result: Result) -> None:
    """Publishes again when the disk refuses what comes after."""
    held.results.publish(result, sync=claim.job.durable)
    for _ in range(3):
        held.results.sync_names()
    file = JobFile(claim.path, claim.job.id, claim.job.attempts, State.RUNNING)
    held.endings.settle(file, result.record(), claim.job)


def taken_from_the_living(workers: str, active: str, wid: str) -> Lease:
    return Lease(workers, active, wid)


def mark_replaced(marks: Marks, job_id: str, *, forget: bool) -> None:
    """Lets a late cancel take back that nobody wants the result."""
    files.write_atomic(marks._path(job_id), FORGET if forget else b"")


def requeued_afresh(held: Spool, path: str, job: Job, attempts: int) -> None:
    place = bucket(held.queue, job.task, job.priority, job.id)
    jobfile.move(path, f"{place.path}/{job.id}.a0")


def put_in_place(held: Spool, job: Job) -> None:
    place = bucket(held.queue, job.task, job.priority, job.id)
    files.make_directory(place.path)
    files.write_new(f"{place.path}/{job.id}.a0", job.to_buffers(), sync=job.durable)


def letter_removed_bit_by_bit(letters: DeadLetters, job_id: str) -> None:
    """Also when there is only the reason of a job that is just being buried."""
    letter_emptied(letters, job_id, "")


def no_pause_seen(pauses: PausedTasks) -> bool:
    return False


#: Every planted race, by what goes wrong.
RACES = {
    "a forgotten job runs again": Race(Marks, "on", marks_unseen),
    "a cancel brings a result back": Race(endings, "lock", no_lock),
    "a retry throws away what was buried meanwhile": Race(DeadLetters, "withdraw", letter_emptied),
    "of two retries the later one loses a result": Race(deadletters, "held", no_lock),
    "a late result replaces the first": Race(files, "publish", published_by_rename),
    "a claim takes two steps": Race(Spool, "_claim", claimed_in_two_steps),
    "a claim is not counted": Race(Spool, "_claim", uncounted),
    "a worker lets go before the result": Race(Spool, "finish", let_go_too_early),
    "a result that was taken is published again": Race(Spool, "finish", finished_from_the_start),
    "a living worker's jobs are reclaimed": Race(Lease, "take_over", taken_from_the_living),
    "a cancel takes back a forget": Race(Marks, "set", mark_replaced),
    "a reclaimed job counts from zero": Race(Spool, "requeue", requeued_afresh),
    "a job is written where workers look": Race(Spool, "put", put_in_place),
    "a worker that has listed the queue sees no pause": Race(PausedTasks, "any", no_pause_seen),
    "a letter loses its reason": Race(DeadLetters, "remove", letter_removed_bit_by_bit),
}
