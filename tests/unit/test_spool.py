"""The spool: every move of a job, who wins when several try, and what damage does to the others."""

from __future__ import annotations

import errno
import json
import os
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from spoolfarm import files, whereabouts
from spoolfarm.entry import Claim, born
from spoolfarm.errors import SpoolUnavailable, UnknownJob
from spoolfarm.job import Job, Result, State, new_id
from spoolfarm.lease import Lease, new_worker_id
from spoolfarm.queue import bucket
from spoolfarm.results import Results
from spoolfarm.spool import Spool
from tests.crash import Elsewhere, Tree, claims, ended, failed, fork, standing, succeeded

DAY = 86400.0


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


@pytest.fixture
def spool(tree: Tree) -> Spool:
    return tree.spool


def new(number: int = 0, **fields: Any) -> Job:
    return Job("echo", {"number": number}, [b"picture"], **fields)


def aged(job: Job, seconds: float) -> Job:
    """*job* as if it had been made *seconds* ago."""
    return replace(job, id=f"{time.time_ns() - int(seconds * 1e9):016x}{job.id[16:]}")


def where(spool: Spool, job: Job) -> str:
    """The directory that holds the job file, below the spool."""
    entry = spool.find(job.id)
    assert entry is not None
    return os.path.dirname(entry.path).removeprefix(f"{spool.root}/")


def place_of(spool: Spool, job: Job) -> str:
    return bucket(spool.queue, job.task, job.priority, job.id).path


def one(lease: Lease, spool: Spool, most: int = 1) -> list[Claim]:
    return spool.claim(lease, spool.cursor(["echo"]), lambda task: most)


def die(lease: Lease) -> None:
    """What the kernel does to the locks of a worker that dies."""
    lease.drop_suspects()
    lease.drop()


def bury(spool: Spool, job: Job) -> None:
    """Make *job*, which is queued, a dead letter."""
    lease = Lease.take(spool.workers, spool.active, new_worker_id())
    (claim,) = one(lease, spool)
    assert claim.job.id == job.id
    spool.finish(claim, failed(claim))
    lease.end()


# Put.


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


def taken_before_the_sync(lease: Lease, spool: Spool, monkeypatch: pytest.MonkeyPatch) -> list[Claim]:
    """Let the worker of *lease* claim a job, and remove its empty bucket, before its submitter syncs the bucket."""
    taken: list[Claim] = []
    sync = files.sync_directory

    def late(path: str) -> None:
        if path.startswith(f"{spool.queue}/echo/") and not taken:
            cursor = spool.cursor(["echo"])
            taken.extend(claims(lambda: spool.claim(lease, cursor, lambda task: 1)))
            assert not os.path.exists(path)
        sync(path)

    monkeypatch.setattr(files, "sync_directory", late)
    return taken


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


def test_marks_on_jobs_that_are_no_more_are_swept_after_an_hour(tree: Tree, spool: Spool) -> None:
    running, gone, fresh = new(), aged(new(), DAY), aged(new(), DAY)
    spool.put(running)
    lease = tree.lease()
    one(lease, spool)
    spool.cancel(running.id)
    half = [f"{folder}/name.12345678.tmp" for folder in (spool.marks, spool.workers)]
    for path in [f"{spool.marks}/{gone.id}", f"{spool.marks}/{fresh.id}", *half]:
        Path(path).touch()
    for path in [f"{spool.marks}/{running.id}", f"{spool.marks}/{gone.id}", *half]:
        os.utime(path, (time.time() - 4000, time.time() - 4000))
    spool.tidy()
    assert set(os.listdir(spool.marks)) == {running.id, fresh.id}
    assert not any(name.endswith(".tmp") for name in os.listdir(spool.workers))
    lease.end()


# Claim.


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


def refuse(number: int) -> Callable[..., Any]:
    def call(*arguments: Any, **named: Any) -> Any:
        raise OSError(number, os.strerror(number))

    return call


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


def plant(spool: Spool, kind: str, name: str) -> None:
    """Put something that is no job file where the oldest jobs are."""
    path = f"{place_of(spool, new(id=name[:24]))}/{name}"
    os.makedirs(os.path.dirname(path), exist_ok=True)
    match kind:
        case "fifo":
            os.mkfifo(path)
        case "link":
            os.symlink("/etc/passwd", path)
        case "loose link":
            os.symlink("/nowhere", path)
        case "directory":
            os.mkdir(path)
        case "socket":
            with socket.socket(socket.AF_UNIX) as one, working_directory(os.path.dirname(path)):
                one.bind(name)
        case "empty":
            Path(path).touch()
        case "junk":
            Path(path).write_bytes(os.urandom(5000))


class working_directory:
    """The path of a socket may have no more than 107 bytes, so it is made from where it lies."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __enter__(self) -> None:
        self._before = os.getcwd()
        os.chdir(self._path)

    def __exit__(self, *_: object) -> None:
        os.chdir(self._before)


KINDS = ["fifo", "link", "loose link", "directory", "socket", "empty", "junk"]


@pytest.mark.parametrize("kind", KINDS)
def test_what_lies_in_the_queue_under_a_jobs_name_and_is_none_becomes_a_dead_letter(
    kind: str, tree: Tree, spool: Spool
) -> None:
    bad = aged(new(), 60).id
    plant(spool, kind, f"{bad}.a0")
    for number in range(3):
        spool.put(new(number))
    lease = tree.lease()
    cursor = spool.cursor(["echo"])
    found = [claim.job.params["number"] for claim in claims(lambda: spool.claim(lease, cursor, lambda task: 2))]
    assert found == [0, 1, 2]
    record = spool.results.get(bad)
    assert record is not None
    assert (record["status"], record["code"]) == ("failed", "damaged")
    assert spool.dead.ids() == [bad]
    with pytest.raises(UnknownJob, match="cannot be run again"):
        spool.retry(bad)
    lease.end()


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_dead_worker_has_under_a_jobs_name_and_is_none_stops_no_recovery(
    kind: str, tree: Tree, spool: Spool
) -> None:
    bad, good = aged(new(), 60).id, new()
    wid = tree.orphan(good)
    plant(spool, kind, f"{bad}.a0")
    os.rename(f"{place_of(spool, new(id=bad))}/{bad}.a0", f"{spool.active}/{wid}/{bad}.a1")
    assert spool.reclaim() == 2
    assert where(spool, good).startswith("queue/")
    assert spool.dead.ids() == [bad]
    assert os.listdir(spool.active) == []


@pytest.mark.parametrize("kind", KINDS)
def test_files_of_others_stay_where_they_are_and_stop_nobody(kind: str, tree: Tree, spool: Spool) -> None:
    job, orphan = aged(new(), 50), aged(new(1), 60)
    names = ["README", "notes.a0", f"{job.id}", f"{job.id}.a", f"{job.id}.a1234", f"{job.id.upper()}x.a0"]
    for name in names:
        plant(spool, kind, f"{aged(new(), 60).id[:16]}{name}")  # among the jobs
    spool.put(job)
    tree.orphan(orphan)
    for folder in (spool.queue, f"{spool.queue}/echo", spool.active, spool.marks, spool.workers, spool.dead.root):
        os.makedirs(folder, exist_ok=True)
        if kind != "socket":
            plant_at(f"{folder}/.DS_Store", kind)
            plant_at(f"{folder}/500000000", kind)
    spool.reclaim()
    spool.count()
    list(spool.queued())
    lease = tree.lease()
    cursor = spool.cursor(["echo"])
    found = {claim.job.id for claim in claims(lambda: spool.claim(lease, cursor, lambda task: 1))}
    assert found == {job.id, orphan.id}
    assert spool.reclaim() == 0
    lease.end()


def plant_at(path: str, kind: str) -> None:
    match kind:
        case "fifo":
            os.mkfifo(path)
        case "link" | "loose link":
            os.symlink("/nowhere" if kind == "loose link" else "/etc", path)
        case "directory":
            os.mkdir(path)
        case _:
            Path(path).write_bytes(b"junk")


# Finish.


def test_a_finished_job_leaves_its_result_and_nothing_else(tree: Tree, spool: Spool) -> None:
    job = new(durable=True)
    spool.put(job)
    lease = tree.lease()
    (claim,) = one(lease, spool)
    spool.finish(claim, succeeded(claim, 7))
    record = spool.results.get(job.id)
    assert record is not None
    assert (record["result"], record["attempts"]) == (7, 1)
    assert tree.job_files() == []
    lease.end()


@pytest.mark.parametrize("durable", [True, False])
def test_a_promised_job_that_fails_becomes_a_dead_letter_and_another_does_not(
    durable: bool, tree: Tree, spool: Spool
) -> None:
    job = new(durable=durable)
    spool.put(job)
    bury(spool, job)
    assert spool.dead.ids() == ([job.id] if durable else [])
    record = spool.results.get(job.id)
    assert record is not None
    assert record["error"] == "no luck"


def test_a_finish_that_failed_goes_on_where_it_stopped(
    tree: Tree, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = new(durable=True)
    spool.put(job)
    lease = tree.lease()
    (claim,) = one(lease, spool)
    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", refuse(errno.EIO))
        with pytest.raises(OSError, match="Input/output error"):
            spool.finish(claim, succeeded(claim, "first"))
    assert spool.results.exists(job.id)
    spool.finish(claim, succeeded(claim, "second"))
    record = spool.results.get(job.id)
    assert record is not None
    assert record["result"] == "first"
    assert tree.job_files() == []
    lease.end()


def test_a_late_result_of_a_worker_given_up_for_dead_changes_nothing(tree: Tree, spool: Spool) -> None:
    job = new(durable=True)
    spool.put(job)
    slow, quick = tree.lease(), tree.lease()
    (late,) = one(slow, spool)
    die(slow)
    spool.reclaim()
    (early,) = one(quick, spool)
    spool.finish(early, succeeded(early, "early"))
    spool.finish(late, succeeded(late, "late"))
    record = spool.results.get(job.id)
    assert record is not None
    assert record["result"] == "early"
    quick.end()


# Recover.


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
        patch.setattr(Results, "publish", refuse(errno.ENOSPC))
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


# Cancel.


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


def test_a_cancel_that_comes_too_late_leaves_no_mark(tree: Tree, spool: Spool) -> None:
    job = new()
    spool.put(job)
    lease = tree.lease()
    (claim,) = one(lease, spool)
    spool.results.publish(succeeded(claim, "done"), sync=False)  # and the worker has not let go of it yet
    for forget in (False, True):
        assert spool.cancel(job.id, forget=forget) is False
        assert os.listdir(spool.marks) == []
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
    monkeypatch.setattr(whereabouts, "entries", lambda directory, state: listed.append(directory) or iter(()))
    assert where(spool, job).startswith("queue/")
    assert spool.find(ended.id) is not None
    assert listed == []
    assert spool.find(new_id()) is None
    assert spool.marks in listed


# Retry.


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


# Look.


def test_an_ended_job_is_found_by_its_result(tree: Tree, spool: Spool) -> None:
    job = new()
    spool.put(job)
    lease = tree.lease()
    (claim,) = one(lease, spool)
    spool.finish(claim, succeeded(claim, 1))
    entry = spool.find(job.id)
    assert entry is not None
    assert (entry.state, entry.attempts) == (State.SUCCEEDED, 1)
    assert json.loads(Path(entry.path).read_text())["id"] == job.id
    lease.end()


def claim_it(tree: Tree, job: Job) -> None:
    tree.spool.claim(tree.held, tree.spool.cursor(["echo"]), lambda task: 1)  # type: ignore[attr-defined]


def finish_it(tree: Tree, job: Job) -> None:
    (entry,) = tree.spool.running()[tree.held.wid]  # type: ignore[attr-defined]
    claim = Claim(replace(job, attempts=1), entry.path, 0.0)
    tree.spool.finish(claim, succeeded(claim, 1))


def fail_it(tree: Tree, job: Job) -> None:
    (entry,) = tree.spool.running()[tree.held.wid]  # type: ignore[attr-defined]
    claim = Claim(replace(job, attempts=1), entry.path, 0.0)
    tree.spool.finish(claim, failed(claim))


def give_it_back(tree: Tree, job: Job) -> None:
    die(tree.held)  # type: ignore[attr-defined]
    tree.spool.reclaim()


def cancel_it(tree: Tree, job: Job) -> None:
    tree.spool.cancel(job.id)


def retry_it(tree: Tree, job: Job) -> None:
    tree.spool.retry(job.id)


Move = Callable[[Tree, Job], None]


@pytest.mark.parametrize(
    ("before", "move"),
    [
        ([], claim_it),
        ([], cancel_it),
        ([claim_it], finish_it),
        ([claim_it], fail_it),
        ([claim_it], give_it_back),
        ([claim_it, fail_it], retry_it),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_job_is_found_whenever_it_moves_while_one_looks(before: list[Move], move: Move, tmp_path: Path) -> None:
    at = 0
    while found_though_it_moved(before, move, Tree(tmp_path / str(at)), at):
        at += 1
    assert at >= 2


def found_though_it_moved(before: list[Move], move: Move, tree: Tree, at: int) -> bool:
    """Move a job before look number *at* of those that `find` takes; False when that takes fewer."""
    job = new(durable=True)
    tree.spool.put(job)
    tree.held = tree.lease()  # type: ignore[attr-defined]
    for step in before:
        step(tree, job)
    exists, names, looks = os.path.exists, files.names, 0

    def look(real: Callable[[str], Any], path: str) -> Any:
        nonlocal looks
        looks += 1
        if looks == at + 1:
            patch.undo()
            move(tree, job)
            watch()
        return real(path)

    def watch() -> None:
        patch.setattr(os.path, "exists", lambda path: look(exists, path))
        patch.setattr(files, "names", lambda path: look(names, path))

    with pytest.MonkeyPatch.context() as patch:
        watch()
        found = tree.spool.find(job.id)
    assert found is not None, f"not found when it moved before look {at}"
    return looks > at


def test_what_is_queued_and_running_is_listed_and_counted(tree: Tree, spool: Spool) -> None:
    jobs = [new(number) for number in range(3)] + [Job("ocr")]
    for job in jobs:
        spool.put(job)
    assert spool.count() == {"echo": 3, "ocr": 1}
    assert {(entry.id, task) for entry, task in spool.queued()} == {(job.id, job.task) for job in jobs}
    lease = tree.lease()
    (claim,) = one(lease, spool)
    assert {wid: [entry.path for entry in entries] for wid, entries in spool.running().items()} == {
        lease.wid: [claim.path]
    }
    assert spool.count() == {"echo": 2, "ocr": 1}
    lease.end()


def test_a_job_knows_when_it_was_born() -> None:
    assert abs(born(new().id) - time.time()) < 60


def test_a_relative_root_survives_a_change_of_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    spool = Spool("spool", Results("results"))
    monkeypatch.chdir("/")
    job = new(durable=True)
    spool.put(job)
    assert spool.find(job.id) is not None
    assert not os.path.exists("/spool")


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
