"""Retrying: a dead letter is queued again."""

from __future__ import annotations

import os
import threading
import time

import pytest

from spoolfarm.errors import UnknownJob
from spoolfarm.spool.buckets import bucket
from spoolfarm.spool.deadletters import DeadLetters
from spoolfarm.spool.job import State
from spoolfarm.spool.spool import Spool
from tests.support.spool_jobs import aged, bury, new, one, taken_before_the_sync, where
from tests.support.spool_tree import Tree, failed


def test_a_dead_letter_is_queued_again_with_its_attempts_at_zero(tree: Tree, spool: Spool) -> None:
    job = new(durable=True)
    tree.orphan(job, spool.max_attempts)
    spool.reclaim()
    spool.retry(job.id)
    entry = spool.find(job.id)
    assert entry is not None
    assert (entry.state, entry.attempts) == (State.QUEUED, 0)
    assert spool.results.get(job.id) is None
    assert spool.results.read_log(job.id) == []
    assert spool.dead.ids() == []
    tree.drive()
    record = spool.results.get(job.id)
    assert record is not None
    assert (record["status"], record["attempts"]) == ("succeeded", 1)


def test_what_a_crashed_retry_left_is_swept_after_an_hour(tree: Tree, spool: Spool) -> None:
    job = new(durable=True)
    tree.orphan(job, spool.max_attempts)
    spool.reclaim()
    letter = spool.dead.path(job.id)
    place = bucket(spool.queue, job.task, job.priority, job.id).path
    os.rename(f"{letter}/{job.id}.a3", f"{place}/{job.id}.a0")
    spool.results.remove(job.id)
    spool.tidy()
    assert spool.dead.ids() == [job.id]
    os.utime(letter, (time.time() - 4000, time.time() - 4000))
    spool.tidy()
    assert spool.dead.ids() == os.listdir(spool.tmp) == []
    assert where(spool, job).startswith("queue/")


def test_a_retry_reaches_for_no_other_directory(tree: Tree, spool: Spool) -> None:
    job = new()
    wid = tree.orphan(job)
    with pytest.raises(UnknownJob):
        spool.retry(f"../active/{wid}")
    assert where(spool, job) == f"active/{wid}"


def test_a_mark_of_before_does_not_cancel_the_retried_job(tree: Tree, spool: Spool) -> None:
    job = new(durable=True)
    spool.put(job)
    lease = tree.lease()
    (claim,) = one(lease, spool)
    spool.cancel(job.id)
    spool.finish(claim, failed(claim))
    lease.end()
    spool.retry(job.id)
    assert not spool.marked(job.id)


def test_a_retried_job_that_a_worker_takes_at_once_is_no_error(
    tree: Tree, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = aged(new(durable=True), 60)
    spool.put(job)
    bury(spool, job)
    lease = tree.lease()
    taken = taken_before_the_sync(lease, spool, monkeypatch)
    spool.retry(job.id)
    assert [claim.job.id for claim in taken] == [job.id]
    assert spool.dead.ids() == []
    lease.end()


def test_a_late_second_retry_leaves_the_result_of_the_first_alone(
    tree: Tree, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = new(durable=True)
    tree.orphan(job, spool.max_attempts)
    spool.reclaim()
    refused: list[str] = []

    def second() -> None:
        try:
            Spool(spool.root, spool.results).retry(job.id)
        except UnknownJob as error:
            refused.append(str(error))

    found = spool.dead.letter(job.id)
    spool.retry(job.id)
    tree.drive()
    monkeypatch.setattr(DeadLetters, "letter", lambda letters, job_id: found)
    second()
    assert (spool.results.get(job.id) or {})["status"] == "succeeded"
    assert len(refused) == 1


def test_of_many_retries_at_once_one_queues_the_job(tree: Tree, spool: Spool) -> None:
    job = new(durable=True)
    tree.orphan(job, spool.max_attempts)
    spool.reclaim()
    ends: list[str] = []

    def retry() -> None:
        try:
            Spool(spool.root, spool.results).retry(job.id)
            ends.append("queued")
        except UnknownJob:
            ends.append("unknown")

    threads = [threading.Thread(target=retry) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ends) == ["queued"] + ["unknown"] * 7
    tree.drive()
    assert (spool.results.get(job.id) or {})["status"] == "succeeded"


def test_a_job_that_fails_again_at_once_keeps_its_new_letter(
    tree: Tree, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = new(durable=True)
    tree.orphan(job, spool.max_attempts)
    spool.reclaim()
    withdraw = spool.dead.withdraw

    def overtaken(job_id: str, tmp: str) -> None:
        lease = tree.lease()
        [claim] = one(lease, spool)
        spool.finish(claim, failed(claim, "no luck again"))
        lease.end()
        withdraw(job_id, tmp)

    monkeypatch.setattr(spool.dead, "withdraw", overtaken)
    spool.retry(job.id)
    reason = spool.dead.reason(job.id)
    assert reason is not None
    assert reason["error"] == "no luck again"
    assert [file.id for file in spool.dead.letter(job.id)] == [job.id]
    assert (spool.results.get(job.id) or {})["error"] == "no luck again"
