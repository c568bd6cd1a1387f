"""Recovering: what a dead worker held runs again, as often as allowed."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from pathlib import Path

import pytest

from spoolfarm.spool.jobfile import Claim
from spoolfarm.spool.lease import Lease
from spoolfarm.spool.results import Results
from spoolfarm.spool.spool import Spool
from tests.support.spool_jobs import aged, die, new, one, refuse, where
from tests.support.spool_tree import Elsewhere, Tree, ended, fork, standing, succeeded


def test_a_dead_workers_job_is_given_back_to_its_old_bucket_with_one_attempt_counted(tree: Tree, spool: Spool) -> None:
    job = aged(new(priority=2), 60)
    spool.put(job)
    before = where(spool, job)
    lease = tree.lease()
    one(lease, spool)
    assert spool.reclaim() == 0, "it lives"
    die(lease)
    assert spool.reclaim({lease.wid: "killed by signal 9 (SIGKILL)"}) == 1
    assert where(spool, job) == before
    assert spool.reclaim() == 0
    lease = tree.lease()
    (claim,) = one(lease, spool)
    assert claim.job.attempts == 2
    assert [line["log"] for line in spool.results.read_log(job.id)] == ["attempt 1 ended: killed by signal 9 (SIGKILL)"]
    lease.end()


def test_a_living_workers_jobs_are_left_alone(tree: Tree, spool: Spool) -> None:
    spool.put(new())
    lease = tree.lease()
    (claim,) = one(lease, spool)
    assert spool.reclaim() == 0
    assert os.path.exists(claim.path)
    assert [entry.id for entry in spool.running()[lease.wid]] == [claim.job.id]
    lease.end()


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_a_job_is_given_up_after_as_many_attempts_as_allowed(limit: int, tree: Tree) -> None:
    spool = Spool(tree.spool.root, tree.spool.results, max_attempts=limit)
    job = new()
    spool.put(job)
    for attempt in range(limit):
        assert spool.results.get(job.id) is None
        lease = tree.lease()
        (claim,) = one(lease, spool)
        assert claim.job.attempts == attempt + 1
        die(lease)
        spool.reclaim({lease.wid: f"bang {attempt + 1}"})
    record = spool.results.get(job.id)
    assert record is not None
    assert (record["status"], record["code"], record["attempts"]) == ("failed", "worker_died", limit)
    often = f"the worker died in every one of {limit} attempts" if limit > 1 else "the worker died"
    assert record["error"] == f"{often}: bang {limit}"
    assert spool.dead.ids() == [job.id]
    assert spool.count().get("echo", 0) == 0


def test_a_job_that_must_not_be_done_twice_is_given_up_after_one_attempt(tree: Tree, spool: Spool) -> None:
    job = replace(new(), tries=1)
    wid = tree.orphan(job)
    spool.reclaim({wid: "bang"})
    record = spool.results.get(job.id)
    assert record is not None
    assert (record["code"], record["attempts"], record["error"]) == ("worker_died", 1, "the worker died: bang")


def test_a_job_may_not_be_tried_more_often_than_the_spool_allows(tree: Tree, spool: Spool) -> None:
    job = replace(new(), tries=spool.max_attempts + 1)
    spool.reclaim({tree.orphan(job, spool.max_attempts): "bang"})
    assert spool.results.exists(job.id)


def test_a_job_whose_result_is_there_is_not_run_again(tree: Tree, spool: Spool) -> None:
    job = new(durable=True)
    wid = tree.orphan(job)
    spool.results.publish(succeeded(Claim(job, "", 0.0), "done"), sync=False)
    assert spool.reclaim() == 1
    assert tree.job_files() == []
    assert wid not in os.listdir(spool.active)


@pytest.mark.parametrize("torn", [b"", b"\0" * 100, b'{"id"'], ids=repr)
def test_a_result_that_a_power_cut_tore_stops_no_recovery(torn: bytes, tree: Tree, spool: Spool) -> None:
    bad, good = new(1), new(2)
    wid = tree.orphan(bad)
    tree.orphan(good, 1, wid)
    Path(spool.results.root, f"{bad.id}.json").write_bytes(torn)
    assert spool.reclaim() == 2
    tree.drive()
    for job in (bad, good):
        record = spool.results.get(job.id)
        assert record is not None
        assert record["status"] == "succeeded"


def test_a_log_that_a_crash_tore_stops_no_recovery(tree: Tree, spool: Spool) -> None:
    job, other = new(1), new(2)
    wid = tree.orphan(job, spool.max_attempts)
    tree.orphan(other, 1, wid)
    Path(spool.results.root, f"{job.id}.log").write_bytes(b'{"at": 1, "l{"at": 2, "log": "two"}\n\0\0\0\n')
    assert spool.reclaim() == 2
    assert spool.dead.ids() == [job.id]
    assert where(spool, other).startswith("queue/")


def test_a_job_that_cannot_be_recovered_now_keeps_no_other_waiting(
    tree: Tree, spool: Spool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """No space for the results of those given up; to give a job back costs no space."""
    over = [new(number) for number in range(3)]
    back = [new(number) for number in range(3)]
    wid = tree.orphan(over[0], spool.max_attempts)
    for job in over[1:]:
        tree.orphan(job, spool.max_attempts, wid)
    for job in back:
        tree.orphan(job, 1, wid)
    with monkeypatch.context() as patch:
        patch.setattr(Results, "show", refuse(errno.ENOSPC))
        assert spool.reclaim() == 3
    assert all(where(spool, job).startswith("queue/") for job in back)
    assert caplog.text.count("not recovered yet") == 3
    assert spool.reclaim() == 3
    assert set(spool.dead.ids()) == {job.id for job in over}


def test_two_who_reclaim_at_once_do_no_harm(tree: Tree, spool: Spool) -> None:
    jobs = [new(number) for number in range(60)]
    for number, job in enumerate(jobs):
        tree.orphan(job, 1 + number % 3)
    for job in jobs[:5]:
        spool.results.publish(succeeded(Claim(job, "", 0.0), "done"), sync=False)
    children = [fork(lambda: [spool.reclaim() for _ in range(3)]) for _ in range(3)]
    assert list(map(ended, children)) == [0, 0, 0]
    assert standing(tree) == []
    queued = {entry.id: entry.attempts for entry, _ in spool.queued()}
    assert queued == {job.id: 1 + at % 3 for at, job in enumerate(jobs) if at >= 5 and at % 3 < 2}
    assert sorted(os.listdir(spool.workers)) in ([], ["suspects.lock"])


def test_a_child_that_is_killed_leaves_a_job_that_runs_again(tree: Tree, spool: Spool) -> None:
    job = new()
    spool.put(job)
    kept: list[Lease] = []

    def take() -> None:
        kept.append(tree.lease())
        one(kept[0], spool)

    with Elsewhere(take) as worker:
        assert spool.reclaim() == 0, "it lives"
        worker.kill()
    assert spool.reclaim() == 1
    tree.drive()
    record = spool.results.get(job.id)
    assert record is not None
    assert record["attempts"] == 2


def test_a_job_that_killed_its_worker_by_its_own_fault_is_not_tried_again(tree: Tree, spool: Spool) -> None:
    job = new()
    spool.put(job)
    lease = tree.lease()
    one(lease, spool)
    die(lease)
    assert spool.reclaim({lease.wid: "it ate too much"}, {lease.wid: "too_much_memory"}) == 1
    record = spool.results.get(job.id)
    assert record is not None
    assert (record["code"], record["attempts"], record["error"]) == ("too_much_memory", 1, "it ate too much")
    assert spool.dead.ids() == [job.id]


def test_of_several_jobs_nobody_knows_whose_fault_it_was(tree: Tree, spool: Spool) -> None:
    jobs = [new(1), new(2)]
    wid = tree.orphan(jobs[0])
    tree.orphan(jobs[1], 1, wid)
    assert spool.reclaim({wid: "it ate too much"}, {wid: "too_much_memory"}) == 2
    assert [spool.results.get(job.id) for job in jobs] == [None, None]
