"""Putting: a job enters whole and safe, or is refused and leaves nothing."""

from __future__ import annotations

import errno
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from spoolfarm.errors import SpoolUnavailable
from spoolfarm.spool import files
from spoolfarm.spool.job import Job
from spoolfarm.spool.jobfile import Claim
from spoolfarm.spool.spool import Spool
from tests.support.spool_jobs import DAY, aged, new, one, place_of, taken_before_the_sync, where
from tests.support.spool_tree import Tree


def test_a_put_job_is_claimed_whole(tree: Tree, spool: Spool) -> None:
    job = Job("echo", {"n": [1, "二"]}, [b"\n\0", b"second"], priority=3, durable=True)
    spool.put(job)
    assert where(spool, job) == f"queue/echo/3{job.id[:8]}"
    lease = tree.lease()
    (claim,) = one(lease, spool)
    assert replace(claim.job, images=list(claim.job.images)) == replace(job, attempts=1, images=list(job.images))
    assert where(spool, job) == f"active/{lease.wid}"
    assert os.path.basename(claim.path) == f"{job.id}.a1"
    assert abs(claim.started - time.time()) < 60
    assert not os.listdir(spool.tmp)
    lease.end()


def test_a_promised_job_is_synced_and_another_is_not(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, third = new(), new(), new(durable=True)
    synced: list[str] = []

    def fsync(descriptor: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{descriptor}").removeprefix(f"{spool.root}/").partition(".")[0])

    spool.put(first)
    monkeypatch.setattr(os, "fsync", fsync)
    spool.put(second)
    assert synced == []
    spool.put(third)
    place = place_of(spool, third).removeprefix(f"{spool.root}/")
    assert synced[0] == f"tmp/{third.id}"
    assert set(synced[1:]) == {place, "queue/echo", "queue"}


def test_a_bucket_that_is_removed_again_and_again_is_made_again(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    job = aged(new(durable=True), 60)
    removals: list[str] = []
    rename = os.rename

    def late(path: str, target: str) -> None:
        if len(removals) < 5 and os.path.isdir(os.path.dirname(target)):
            os.rmdir(os.path.dirname(target))
            removals.append(target)
        rename(path, target)

    monkeypatch.setattr(os, "rename", late)
    spool.put(job)
    assert len(removals) == 5
    assert where(spool, job).startswith("queue/")


def test_a_bucket_of_before_is_synced_with_its_parents_again(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may have been emptied, removed and made anew since this process synced it."""
    synced: list[int] = []
    monkeypatch.setattr(files, "sync_directory", lambda path: synced.append(path.count("/") - spool.root.count("/")))
    now = time.time_ns()
    first, second, late = (new(number, durable=True) for number in range(3))
    for job, clock in ((first, now), (second, now), (late, now + (1 << 34))):
        synced.clear()
        monkeypatch.setattr(time, "time_ns", lambda clock=clock: clock)
        spool.put(replace(job, id=first.id[:16] + job.id[16:]))
        assert synced == ([3] if job is second else [3, 2, 1])


def test_a_put_that_is_overtaken_by_its_worker_is_not_refused(
    tree: Tree, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = aged(new(durable=True), 60)
    lease = tree.lease()
    taken = taken_before_the_sync(lease, spool, monkeypatch)
    spool.put(job)
    assert [claim.job.id for claim in taken] == [job.id]
    lease.end()


@pytest.mark.parametrize("call", ["write", "fsync", "rename", "close"])
def test_what_cannot_be_written_is_refused_and_leaves_nothing(
    call: str, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = new(durable=True)
    spool.put(new())  # the bucket is there
    before = sorted(os.walk(spool.root))
    real = getattr(os, call)

    def full(*arguments: Any) -> Any:
        if call == "close":
            real(*arguments)
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, call, full)
        with pytest.raises(
            SpoolUnavailable, match=r"cannot be written \(No space left on device\); nothing was queued"
        ):
            spool.put(job)
    assert sorted(os.walk(spool.root)) == before
    spool.put(job)


def test_a_job_whose_name_cannot_be_synced_is_taken_back(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    job = new(durable=True)
    spool.put(new())

    def broken(path: str) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(files, "sync_directory", broken)
        with pytest.raises(SpoolUnavailable, match="nothing was queued"):
            spool.put(job)
    assert spool.find(job.id) is None


def test_a_job_that_cannot_be_taken_back_is_refused_with_a_warning(
    tree: Tree, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = tree.lease()
    taken: list[Claim] = []

    def broken(path: str) -> None:
        taken.extend(one(lease, spool))
        raise OSError(errno.EIO, "Input/output error")

    spool.put(new(-1))
    one(lease, spool)
    monkeypatch.setattr(files, "sync_directory", broken)
    with pytest.raises(SpoolUnavailable, match="it may run all the same"):
        spool.put(new(durable=True))
    assert len(taken) == 1
    lease.end()


def test_a_job_is_queued_even_when_the_bell_is_broken(spool: Spool) -> None:
    os.rmdir(f"{spool.root}/idle")
    Path(spool.root, "idle").touch()
    job = new()
    spool.put(job)
    assert where(spool, job).startswith("queue/")


def test_what_a_crashed_submitter_left_is_swept_after_an_hour(spool: Spool) -> None:
    for name, age in (("old", 4000), ("young", 3000)):
        Path(spool.tmp, name).touch()
        os.utime(f"{spool.tmp}/{name}", (time.time() - age, time.time() - age))
    spool.tidy()
    assert os.listdir(spool.tmp) == ["young"]


def test_old_marks_on_jobs_that_are_no_more_are_swept(tree: Tree, spool: Spool) -> None:
    running, gone, fresh = new(), aged(new(), DAY), aged(new(), DAY)
    spool.put(running)
    lease = tree.lease()
    one(lease, spool)
    spool.cancel(running.id)
    half = [f"{folder}/name.12345678.tmp" for folder in (spool.root, spool.marks, spool.workers)]
    for path in [f"{spool.marks}/{gone.id}", f"{spool.marks}/{fresh.id}", *half]:
        Path(path).touch()
    for path in [f"{spool.marks}/{running.id}", f"{spool.marks}/{gone.id}", *half]:
        os.utime(path, (time.time() - 4000, time.time() - 4000))
    spool.reclaim()
    spool.tidy()
    assert set(os.listdir(spool.marks)) == {running.id, fresh.id}
    assert not any(map(os.path.exists, half))
    lease.end()
