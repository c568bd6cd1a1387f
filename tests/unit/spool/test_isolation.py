"""What cannot be read costs itself, and nothing beside it."""

from __future__ import annotations

import errno
import os
import shutil
import time
from pathlib import Path

import pytest

from spoolfarm.errors import SpoolUnavailable
from spoolfarm.farm import Farm
from spoolfarm.spool import files, lease, recovery
from spoolfarm.spool import spool as spool_module
from spoolfarm.spool.doorbell import Bell
from spoolfarm.spool.job import Job
from spoolfarm.spool.jobfile import Claim
from spoolfarm.spool.lease import Lease, LeaseLost, new_worker_id
from spoolfarm.spool.spool import Spool
from tests.support.spool_jobs import new, one, place_of
from tests.support.spool_tree import Tree, claims, succeeded
from tests.support.unreadable import refuse_to_read

REFUSALS = pytest.mark.parametrize("number", [errno.EACCES, errno.EIO], ids=errno.errorcode.get)


@pytest.fixture(autouse=True)
def _named_once_per_test() -> None:
    files._name_unreadable.cache_clear()


def drive(tree: Tree) -> list[str]:
    """Run what is queued; the ids of the jobs that ran."""
    lease, ran = tree.lease(), []
    cursor = tree.spool.cursor(["echo", "other"])
    for claim in claims(lambda: tree.spool.claim(lease, cursor, lambda task: 1)):
        ran.append(claim.job.id)
        tree.spool.finish(claim, succeeded(claim, 1))
    lease.end()
    return ran


@REFUSALS
def test_a_job_file_that_cannot_be_read_is_a_dead_letter_and_the_others_run(
    number: int, tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = new(1, durable=True), new(2, durable=True)
    tree.put(bad, good)
    refuse_to_read(monkeypatch, f"{place_of(tree.spool, bad)}/{bad.id}.a0", number)
    assert drive(tree) == [good.id]
    assert os.listdir(place_of(tree.spool, bad)) == [f"{bad.id}.a00"]
    monkeypatch.setattr(spool_module, "UNREADABLE", 0.0)
    assert drive(tree) == []
    record = tree.spool.results.get(bad.id)
    assert record is not None
    assert (record["status"], record["code"], record["task"]) == ("failed", "unreadable", "echo")
    assert os.strerror(number) in record["error"]
    with pytest.raises(SpoolUnavailable, match="cannot be run again"):
        tree.spool.retry(bad.id)
    monkeypatch.undo()
    tree.spool.retry(bad.id)
    assert drive(tree) == [bad.id]


@REFUSALS
def test_a_claimed_job_that_cannot_be_read_does_not_keep_the_recovery_of_others(
    number: int, tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = new(1, durable=True), new(2, durable=True)
    wid = tree.orphan(bad)
    tree.orphan(good)
    refuse_to_read(monkeypatch, f"{tree.spool.active}/{wid}/{bad.id}.a1", number)
    assert tree.spool.reclaim() == 1
    assert drive(tree) == [good.id]
    assert tree.spool.results.get(bad.id) is None
    monkeypatch.setattr(recovery, "UNREADABLE", 0.0)
    assert tree.spool.reclaim() == 1
    assert (tree.spool.results.get(bad.id) or {})["code"] == "unreadable"


@REFUSALS
def test_a_bucket_that_cannot_be_read_is_passed_over_and_named_once(
    number: int, tree: Tree, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    hidden, seen = new(1), Job("other")
    tree.put(hidden, seen)
    folder = f"{tree.spool.queue}/echo"
    refuse_to_read(monkeypatch, folder, number)
    for _ in range(3):
        assert tree.spool.count() == {"other": 1}
        assert [file.id for file, _ in tree.spool.queued()] == [seen.id]
    assert tree.spool.find(seen.id) is not None
    assert drive(tree) == [seen.id]
    assert [line for line in caplog.messages if line.startswith(f"{folder} cannot be read")] == [
        f"{folder} cannot be read, and is passed over: {os.strerror(number)}"
    ]
    monkeypatch.undo()
    assert drive(tree) == [hidden.id]


def test_what_the_process_itself_lacks_is_no_fault_of_a_directory(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    tree.put(new(1))
    refuse_to_read(monkeypatch, f"{tree.spool.queue}/echo", errno.EMFILE)
    with pytest.raises(OSError, match="Too many open files"):
        tree.spool.count()


def test_the_owner_of_what_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    error = PermissionError(errno.EACCES, "Permission denied", str(tmp_path))
    assert files.why(error, str(tmp_path)) == "Permission denied"
    owner = os.stat(tmp_path).st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    assert files.why(error, str(tmp_path)) == f"Permission denied; it belongs to {files.user(owner)}"
    assert files.user(2**31 - 5) == f"user {2**31 - 5}"


@REFUSALS
def test_a_result_that_cannot_be_read_is_shown_as_damaged_beside_the_others(
    number: int, farm: Farm, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = _two_results(farm)
    refuse_to_read(monkeypatch, f"{farm.results.root}/{ids[0]}.json", number)
    _is_damaged(farm, ids, os.strerror(number))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: b"",
        lambda data: data[: len(data) // 2],
        lambda data: b"[1, 2]",
        lambda data: b"{}",
        lambda data: data.replace(b'"status"', b'"statut"'),
        lambda data: data.replace(b'"attempts":1', b'"attempts":"'),
        lambda data: data.replace(b'"task"', b'"tusk"'),
        lambda data: data.replace(b'"id":"1', b'"id":"2'),
        lambda data: data.replace(b'"result"', b'"resulu"'),
        lambda data: b"[" * 100_000,
    ],
)
def test_a_damaged_result_is_shown_as_such_beside_the_others(farm: Farm, spoil: object) -> None:
    ids = _two_results(farm)
    path = Path(f"{farm.results.root}/{ids[0]}.json")
    data = path.read_bytes()
    path.write_bytes(spoil(data))  # type: ignore[operator]
    assert path.read_bytes() != data
    _is_damaged(farm, ids, "is damaged")


def _two_results(farm: Farm) -> list[str]:
    ids = [farm.submit("echo").id for _ in range(2)]
    lease = Lease.take(farm.spool.workers, farm.spool.active, new_worker_id())
    for claim in claims(lambda: farm.spool.claim(lease, farm.spool.cursor(["echo"]), lambda task: 1)):
        farm.spool.finish(claim, succeeded(claim, 1))
    lease.end()
    return ids


def _is_damaged(farm: Farm, ids: list[str], why: str) -> None:
    shown = {record["id"]: record for record in farm.jobs()}
    assert shown.keys() == set(ids)
    assert (shown[ids[0]]["status"], shown[ids[0]]["code"]) == ("failed", "damaged")
    assert why in shown[ids[0]]["error"]
    assert f"{ids[0]}.json" in shown[ids[0]]["error"]
    assert shown[ids[1]]["result"] == 1
    assert farm.record(ids[0]) == shown[ids[0]]
    farm.sweep()
    assert farm.remove_result(ids[0])


def test_a_damaged_result_of_a_job_that_a_dead_worker_had_is_made_again(tree: Tree) -> None:
    job = new(1, durable=True)
    tree.orphan(job)
    Path(f"{tree.spool.results.root}/{job.id}.json").write_text('{"id": 1}')
    assert tree.spool.reclaim() == 1
    assert drive(tree) == [job.id]


def test_what_a_worker_said_of_itself_may_be_torn(tree: Tree, tmp_path: Path) -> None:
    lease_ = tree.lease()
    bell = Bell(tree.spool.root, lease_.wid)
    bell.lie_down()
    for torn in (b"", b"{", b"[1]", b'{"pid": 1}'):
        Path(f"{tree.spool.workers}/{lease_.wid}.json").write_bytes(torn)
        tree.spool.put(new(int(time.time_ns()) % 100_000))
        assert lease.ready(tree.spool.workers) == []
    bell.close()
    lease_.end()


# A worker that lost its lease.


@pytest.mark.parametrize("lost", ["lock", "active"])
def test_a_worker_notices_that_its_lease_was_swept_away(lost: str, spool: Spool) -> None:
    lease = Lease.take(spool.workers, spool.active, new_worker_id())
    lease.check()
    if lost == "lock":
        os.unlink(f"{spool.workers}/{lease.wid}.lock")
    else:
        os.rmdir(lease.active)
    with pytest.raises(LeaseLost, match="is gone"):
        lease.check()
    lease.end()


def test_another_lock_file_of_the_same_name_is_not_the_workers(spool: Spool) -> None:
    lease = Lease.take(spool.workers, spool.active, new_worker_id())
    path = Path(f"{spool.workers}/{lease.wid}.lock")
    path.unlink()
    path.touch()
    with pytest.raises(LeaseLost, match="another file"):
        lease.check()
    lease.end()


def test_a_claim_without_a_directory_says_so_and_leaves_the_job(spool: Spool) -> None:
    lease = Lease.take(spool.workers, spool.active, new_worker_id())
    spool.put(job := new(1))
    os.rmdir(lease.active)
    with pytest.raises(LeaseLost):
        one(lease, spool)
    assert os.listdir(place_of(spool, job)) == [f"{job.id}.a0"]
    lease.end()


def test_an_emptied_spool_is_made_anew(spool: Spool) -> None:
    for name in os.listdir(spool.root):
        shutil.rmtree(f"{spool.root}/{name}")
    spool.make()
    lease = Lease.take(spool.workers, spool.active, new_worker_id())
    spool.put(job := new(1))
    [claim] = one(lease, spool)
    assert isinstance(claim, Claim)
    assert claim.job.id == job.id
    lease.end()


def test_results_are_written_when_their_tmp_was_cleared_away(spool: Spool) -> None:
    lease = Lease.take(spool.workers, spool.active, new_worker_id())
    spool.put(new(1))
    [claim] = one(lease, spool)
    os.rmdir(f"{spool.results.root}/tmp")
    spool.finish(claim, succeeded(claim, "kept"))
    assert (spool.results.get(claim.job.id) or {})["result"] == "kept"
    lease.end()


def test_a_worker_that_waits_for_room_is_told_from_one_that_works(spool: Spool) -> None:
    lease_ = Lease.take(spool.workers, spool.active, new_worker_id())
    assert not lease.waits(spool.workers, lease_.wid)
    lease_.announce({})
    assert not lease.waits(spool.workers, lease_.wid)
    with lease_.paused():
        assert lease.waits(spool.workers, lease_.wid)
    assert not lease.waits(spool.workers, lease_.wid)
    lease_.end()
    assert not lease.waits(spool.workers, lease_.wid)
    assert os.listdir(spool.workers) == []
