"""Claiming: the right job, to one worker, in order."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from functools import partial

import pytest

from spoolfarm.spool import files
from spoolfarm.spool.job import State, new_id
from spoolfarm.spool.spool import Spool
from tests.support.spool_jobs import aged, die, new, one, refuse
from tests.support.spool_tree import Tree, claims, ended, fork


def test_jobs_come_by_priority_then_by_time(tree: Tree, spool: Spool) -> None:
    jobs = [
        new(5),
        aged(new(3), 9),
        aged(new(2), 10),
        new(1, priority=0),
        aged(new(6, priority=9), 60),
        aged(new(4), 8),
    ]
    for job in jobs:
        spool.put(job)
    lease = tree.lease()
    cursor = spool.cursor(["echo"])
    found = claims(lambda: spool.claim(lease, cursor, lambda task: 1))
    assert [claim.job.params["number"] for claim in found] == [1, 2, 3, 4, 5, 6]
    lease.end()


def test_a_worker_takes_only_its_tasks(tree: Tree, spool: Spool) -> None:
    spool.put(new())
    lease = tree.lease()
    assert spool.claim(lease, spool.cursor(["ocr"]), lambda task: 1) == []
    lease.end()


def test_a_batch_is_of_one_bucket_and_no_larger_than_its_task_takes(tree: Tree, spool: Spool) -> None:
    old = [aged(new(number), 60 - number / 1000) for number in range(5)]
    for job in [*old, new(5), new(6)]:
        spool.put(job)
    lease = tree.lease()
    cursor = spool.cursor(["echo"])
    batches = []
    while batch := spool.claim(lease, cursor, {"echo": 3}.__getitem__):
        batches.append([claim.job.params["number"] for claim in batch])
    assert batches == [[0, 1, 2], [3, 4], [5, 6]]
    lease.end()


def test_two_processes_get_each_job_once(tree: Tree, spool: Spool) -> None:
    ids = set()
    for number in range(300):
        job = aged(new(number, priority=number % 3), number % 2 * 60)
        ids.add(job.id)
        spool.put(job)
    reader, writer = os.pipe()
    go, start = os.pipe()

    def work(most: int) -> None:
        os.close(start)
        lease = tree.lease()
        cursor = spool.cursor(["echo"])
        os.read(go, 1)  # ends for both when the parent closes the other side
        for claim in claims(lambda: spool.claim(lease, cursor, lambda task: most)):
            os.write(writer, f"{claim.job.id}\n".encode())
            os.sched_yield()  # where there is one core only, let the other one try

    children = [fork(partial(work, most)) for most in (1, 4)]
    for descriptor in (writer, go, start):
        os.close(descriptor)
    data = b""
    while more := os.read(reader, 65536):
        data += more
    os.close(reader)
    assert list(map(ended, children)) == [0, 0]
    claimed = data.decode().split()
    assert len(claimed) == 300
    assert set(claimed) == ids


def test_a_job_that_has_cost_a_worker_comes_alone(tree: Tree, spool: Spool) -> None:
    suspects = [aged(new(number), 60 - number / 1000) for number in range(3)]
    for job in suspects:
        spool.put(job)
    lease = tree.lease()
    assert len(one(lease, spool, 3)) == 3
    die(lease)
    spool.reclaim()
    spool.put(new(3))
    lease = tree.lease()
    cursor = spool.cursor(["echo"])
    sizes = []
    while batch := spool.claim(lease, cursor, lambda task: 3):
        sizes.append([(claim.job.params["number"], claim.job.attempts) for claim in batch])
        lease.drop_suspects()
    assert sizes == [[(0, 2)], [(1, 2)], [(2, 2)], [(3, 1)]]
    lease.end()


def test_suspects_run_one_at_a_time_and_hold_up_nobody_else(tree: Tree, spool: Spool) -> None:
    for number in range(2):
        tree.orphan(aged(new(number), 60))
    spool.reclaim()
    spool.put(new(2))
    first, second = tree.lease(), tree.lease()
    (suspect,) = one(first, spool, 3)
    (other,) = one(second, spool, 3)
    assert suspect.job.attempts == 2
    assert other.job.params["number"] == 2
    assert one(second, spool) == []
    first.drop_suspects()
    (suspect,) = one(second, spool)
    assert suspect.job.attempts == 2
    first.end()
    second.end()


def test_a_claim_that_cannot_be_read_is_put_back_uncounted(
    tree: Tree, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = new()
    spool.put(job)
    lease = tree.lease()
    with monkeypatch.context() as patch:
        patch.setattr(files, "read", refuse(errno.EMFILE))
        with pytest.raises(OSError, match="Too many open files"):
            one(lease, spool)
    entry = spool.find(job.id)
    assert entry is not None
    assert (entry.state, entry.attempts) == (State.QUEUED, 0)
    (claim,) = one(lease, spool)
    assert claim.job.attempts == 1
    lease.end()


def test_a_batch_whose_second_job_cannot_be_read_runs_without_it(
    tree: Tree, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        spool.put(new(number))
    lease = tree.lease()
    read, reads = files.read, []

    def failing(path: str) -> bytes:
        reads.append(path)
        if len(reads) == 2:
            raise OSError(errno.EMFILE, "Too many open files")
        return read(path)

    monkeypatch.setattr(files, "read", failing)
    batch = one(lease, spool, 3)
    assert [claim.job.params["number"] for claim in batch] == [0]
    assert sorted(os.listdir(lease.active)) == [os.path.basename(claim.path) for claim in batch]
    assert [claim.job.params["number"] for claim in one(lease, spool, 3)] == [1, 2]
    lease.end()


def test_a_batch_leaves_the_other_workers_their_share(tree: Tree, spool: Spool) -> None:
    slot = new_id()[:16]  # all in one bucket
    jobs = [replace(new(), id=f"{slot}{number:08x}") for number in range(8)]
    for job in jobs:
        spool.put(job)
    leases = [tree.lease() for _ in range(2)]
    cursors = [spool.cursor(["echo"]) for _ in leases]
    batches = [spool.claim(lease, cursor, lambda _: 16) for lease, cursor in zip(leases, cursors, strict=True)]
    assert [claim.job.id for claim in batches[0]] == [job.id for job in jobs[:4]]
    assert batches[1][0].job.id == jobs[4].id
    assert len(spool.claim(leases[0], spool.cursor(["echo"]), lambda _: 2)) <= 2
