"""Cancelling: at once or by a mark, and of a cancel and another move one wins."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest

from spoolfarm.errors import UnknownJob
from spoolfarm.spool import files, locate
from spoolfarm.spool.job import Result, State, new_id
from spoolfarm.spool.jobfile import Claim
from spoolfarm.spool.spool import Spool
from tests.support.spool_jobs import die, new, one, place_of, refuse, where
from tests.support.spool_tree import Tree, succeeded


def test_a_queued_job_is_cancelled_at_once(tree: Tree, spool: Spool) -> None:
    job = new(durable=True)
    spool.put(job)
    assert spool.cancel(job.id) is True
    record = spool.results.get(job.id)
    assert record is not None
    assert (record["status"], record["code"]) == ("cancelled", "cancelled")
    assert tree.job_files() == []
    assert os.listdir(spool.marks) == []
    assert spool.cancel(job.id) is False


def test_a_job_given_back_is_not_over_until_its_cancel_is(
    tree: Tree, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = new(durable=True)
    spool.put(job)
    lease = tree.lease()
    (claim,) = one(lease, spool)
    spool.give_back(claim)
    with monkeypatch.context() as patch:
        patch.setattr(spool.done, "keep", refuse(errno.EIO))
        with pytest.raises(OSError, match="Input/output"):
            spool.cancel(job.id)
    spool.forget(job.id)
    spool.reclaim()
    assert tree.job_files() == []
    assert not spool.results.exists(job.id)
    lease.end()


def test_a_running_job_is_marked_and_the_mark_goes_with_it(tree: Tree, spool: Spool) -> None:
    job = new()
    spool.put(job)
    lease = tree.lease()
    (claim,) = one(lease, spool)
    assert not spool.marked(job.id)
    assert spool.cancel(job.id) is True
    assert spool.marked(job.id)
    spool.finish(claim, succeeded(claim, "too late"))
    assert spool.cancel(job.id) is False
    spool.reclaim()
    assert not spool.marked(job.id)
    lease.end()


@pytest.mark.parametrize("claimed", [False, True])
@pytest.mark.parametrize("durable", [False, True])
def test_the_end_of_a_cancelled_job_tells_of_lost_attempts_and_has_a_log_only_where_it_is_kept(
    claimed: bool, durable: bool, tree: Tree, spool: Spool
) -> None:
    job = new(durable=durable)
    spool.put(job)
    lease = tree.lease()
    assert one(lease, spool)
    die(lease)
    if claimed:
        spool.reclaim()
        Path(spool.marks, job.id).touch()  # by who had seen it run
        assert one(tree.lease(), spool) == []
    else:
        spool.reclaim()
        assert spool.cancel(job.id) is True
    record = spool.results.get(job.id)
    assert record is not None
    assert record["status"] == "cancelled"
    assert [attempt["attempt"] for attempt in record["lost"]] == [1]
    assert bool(spool.results.log_size(job.id)) is durable


@pytest.mark.parametrize("forget", [False, True])
def test_the_mark_of_a_cancel_that_comes_too_late_goes_when_the_worker_has_let_go(
    forget: bool, tree: Tree, spool: Spool
) -> None:
    job = new()
    spool.put(job)
    lease = tree.lease()
    (claim,) = one(lease, spool)
    spool.results.publish(succeeded(claim, "done"), sync=False)  # and the worker has not let go of it yet
    assert spool.cancel(job.id, forget=forget) is False
    spool.finish(claim, succeeded(claim, "done"))
    spool.reclaim()
    assert os.listdir(spool.marks) == []
    assert spool.results.exists(job.id) is not forget
    lease.end()


@pytest.mark.parametrize("forget", [True, False])
def test_a_result_that_nobody_wants_goes_with_its_mark(forget: bool, tree: Tree, spool: Spool) -> None:
    job = new()
    spool.put(job)
    lease = tree.lease()
    (claim,) = one(lease, spool)
    assert spool.cancel(job.id, forget=forget) is True
    spool.reclaim()
    assert spool.marked(job.id)
    spool.finish(claim, succeeded(claim, "done"))
    spool.reclaim()
    assert os.listdir(spool.marks) == []
    assert spool.results.exists(job.id) is not forget
    lease.end()


def test_a_forgotten_job_does_not_run_again_when_its_worker_dies_before_it_lets_go(tree: Tree, spool: Spool) -> None:
    job = new()
    spool.put(job)
    lease = tree.lease()
    (claim,) = one(lease, spool)
    assert spool.cancel(job.id, forget=True) is True
    spool.results.publish(succeeded(claim, "done"), sync=False)
    spool.reclaim()
    die(lease)
    spool.reclaim()
    assert tree.job_files() == []
    assert os.listdir(spool.marks) == []
    assert not spool.results.exists(job.id)


def test_marks_that_another_caller_drops_stop_no_recovery(
    tree: Tree, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = new()
    spool.results.publish(succeeded(Claim(job, "", 0.0), "done"), sync=False)
    files.write_atomic(f"{spool.marks}/{job.id}", b"")
    read = files.read

    def late(path: str) -> bytes:
        if path.startswith(spool.marks):
            os.unlink(path)
        return read(path)

    monkeypatch.setattr(files, "read", late)
    assert spool.reclaim() == 0
    assert os.listdir(spool.marks) == []


def test_a_running_job_that_was_cancelled_ends_with_its_worker(tree: Tree, spool: Spool) -> None:
    job = new()
    spool.put(job)
    lease = tree.lease()
    one(lease, spool)
    spool.cancel(job.id)
    die(lease)
    spool.reclaim()
    record = spool.results.get(job.id)
    assert record is not None
    assert record["status"] == "cancelled"
    assert os.listdir(spool.marks) == []


def test_of_a_cancel_and_a_claim_at_once_one_wins(tree: Tree, spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    job = new()
    spool.put(job)
    lease = tree.lease()
    taken: list[str] = []
    rename = os.rename

    def late(path: str, target: str) -> None:
        if target.startswith(spool.marks) and not taken and not target.endswith(job.id):
            taken.append(path)
            one(lease, spool)
        rename(path, target)

    monkeypatch.setattr(os, "rename", late)
    assert spool.cancel(job.id) is True
    assert taken
    assert spool.marked(job.id)
    assert where(spool, job) == f"active/{lease.wid}"
    lease.end()


def test_a_cancel_that_a_crash_cut_short_can_be_ended_by_another(tree: Tree, spool: Spool) -> None:
    job = new()
    spool.put(job)
    os.rename(f"{place_of(spool, job)}/{job.id}.a0", f"{spool.marks}/{job.id}.a0")
    assert spool.cancel(job.id) is True
    assert spool.results.exists(job.id)
    assert os.listdir(spool.marks) == []


def test_a_recovery_brings_no_result_back_that_was_forgotten_meanwhile(
    tree: Tree, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = new()
    spool.put(job)
    os.rename(f"{place_of(spool, job)}/{job.id}.a0", f"{spool.marks}/{job.id}.a0")

    def forget() -> None:
        spool.cancel(job.id, forget=True)
        spool.results.remove(job.id)

    other, publish = threading.Thread(target=forget), spool.results.publish

    def late(result: Result, *, sync: bool) -> bool:
        if not other.ident:
            other.start()
            other.join(0.3)
        return publish(result, sync=sync)

    monkeypatch.setattr(spool.results, "publish", late)
    spool.reclaim()
    other.join(20)
    assert not spool.results.exists(job.id)
    assert tree.job_files() == []


def test_a_damaged_job_can_be_cancelled_and_stops_no_recovery(tree: Tree, spool: Spool) -> None:
    bad, left, good = new(1), new(2), new(3)
    tree.put(bad, left)
    tree.spoil(bad)
    tree.spoil(left)
    assert spool.cancel(bad.id) is True
    os.rename(f"{place_of(spool, left)}/{left.id}.a0", f"{spool.marks}/{left.id}.a0")  # a crash cut its cancel short
    tree.orphan(good)
    assert spool.reclaim() == 1
    for job in (bad, left):
        record = spool.results.get(job.id)
        assert record is not None
        assert record["status"] == "cancelled"
    assert where(spool, good).startswith("queue/")


@pytest.mark.parametrize("job_id", ["0" * 24, "", "..", "../active", "x" * 24, "0" * 25, "0" * 24 + "\n"], ids=repr)
def test_what_is_no_job_can_be_neither_found_nor_changed(job_id: str, tree: Tree, spool: Spool) -> None:
    assert spool.find(job_id) is None
    with pytest.raises(UnknownJob):
        spool.cancel(job_id)
    with pytest.raises(UnknownJob):
        spool.retry(job_id)


@pytest.mark.parametrize(
    ("place", "state"),
    [("bucket", State.QUEUED), ("active", State.RUNNING), ("marks", State.CANCELLED), ("dead", State.FAILED)],
)
@pytest.mark.parametrize("attempts", [2, 5, 100])
def test_a_job_claimed_more_often_than_is_allowed_by_now_is_found(
    tree: Tree, place: str, state: State, attempts: int
) -> None:
    spool = Spool(tree.spool.root, tree.spool.results, max_attempts=1)
    job = new()
    spool.put(job)
    queued = spool.find(job.id)
    assert queued is not None
    folders = {"bucket": os.path.dirname(queued.path), "active": f"{spool.active}/w", "marks": spool.marks}
    folder = Path(folders.get(place) or spool.dead.path(job.id))
    folder.mkdir(exist_ok=True)
    os.rename(queued.path, folder / f"{job.id}.a{attempts}")
    entry = spool.find(job.id)
    assert entry is not None
    assert (entry.path, entry.attempts, entry.state) == (f"{folder}/{job.id}.a{attempts}", attempts, state)


def test_a_job_is_looked_for_by_its_name_before_anything_is_listed(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, ended = new(), new()
    spool.put(job)
    spool.results.publish(succeeded(Claim(ended, "", 0.0), "done"), sync=False)
    listed: list[str] = []
    monkeypatch.setattr(locate, "job_files", lambda directory, state: listed.append(directory) or iter(()))
    assert where(spool, job).startswith("queue/")
    assert spool.find(ended.id) is not None
    assert listed == []
    assert spool.find(new_id()) is None
    assert spool.marks in listed
