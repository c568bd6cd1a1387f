"""What two processes did to each other in simulated schedules, each once more by hand."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from spoolfarm.errors import UnknownFile, UnknownJob
from spoolfarm.farm.farm import Farm
from spoolfarm.spool import files, jobfile
from spoolfarm.spool.deadletters import DeadLetters
from spoolfarm.spool.job import State
from spoolfarm.spool.jobfile import Claim, JobFile
from spoolfarm.spool.spool import Spool
from tests.support.spool_jobs import bury, die, new, one, place_of, refuse, where
from tests.support.spool_tree import Tree, failed, succeeded


def test_a_move_of_a_file_that_is_gone_says_so_at_once(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    monkeypatch.setattr(os, "mkdir", lambda path, *_: made.append(path))
    with pytest.raises(FileNotFoundError):
        jobfile.move(f"{spool.dead.root}/gone", f"{spool.queue}/echo/500000000/gone")
    assert made == []


def test_a_bucket_that_goes_while_it_is_made_is_made_again(
    tree: Tree, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, mkdir, made = new(), os.mkdir, []

    def late(path: str, *arguments: Any) -> None:
        made.append(path)
        if len(made) == 1:
            raise FileExistsError(errno.EEXIST, "it was there, and has gone since", path)
        mkdir(path, *arguments)

    monkeypatch.setattr(os, "mkdir", late)
    spool.put(job)
    assert where(spool, job).startswith("queue/")
    assert place_of(spool, job) in made


def test_a_claim_is_kept_when_the_other_workers_cannot_be_counted(
    tree: Tree, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree.put(new(1), new(2))
    lease, names = tree.lease(), files.names

    def failing(path: str) -> list[str]:
        return refuse(errno.EMFILE)() if path == spool.active else names(path)

    monkeypatch.setattr(files, "names", failing)
    [claim] = one(lease, spool, 2)
    assert os.listdir(lease.active) == [os.path.basename(claim.path)]
    lease.end()


@pytest.mark.parametrize("damaged", [False, True])
def test_what_a_failed_claim_has_left_with_its_worker_is_taken_back(damaged: bool, tree: Tree, spool: Spool) -> None:
    job = new(durable=True)
    spool.put(job)
    if damaged:
        tree.spoil(job)
    lease = tree.lease()
    os.rename(f"{place_of(spool, job)}/{job.id}.a0", f"{lease.active}/{job.id}.a1")
    spool.take_back(lease)
    assert os.listdir(lease.active) == []
    entry = spool.find(job.id)
    assert entry is not None
    assert (entry.state, entry.attempts) == ((State.FAILED, 1) if damaged else (State.QUEUED, 0))
    lease.end()


def finish_again(spool: Spool, claim: Claim) -> None:
    spool.finish(claim, succeeded(claim, "done"))


@pytest.mark.parametrize("again", [finish_again, Spool.give_back])
@pytest.mark.parametrize("durable", [False, True])
@pytest.mark.parametrize("call", ["unlink", "fsync"])
def test_a_result_that_was_taken_is_not_published_again_after_a_disk_error(
    call: str,
    durable: bool,
    again: Callable[[Spool, Claim], None],
    tree: Tree,
    spool: Spool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = new(durable=durable)
    spool.put(job)
    lease = tree.lease()
    [claim] = one(lease, spool)
    real = getattr(os, call)

    def failing(*arguments: Any, **named: Any) -> Any:
        if spool.results.exists(job.id):
            raise OSError(errno.EIO, "Input/output error")
        return real(*arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(os, call, failing)
        if call == "unlink" or durable:
            with pytest.raises(OSError, match="Input/output"):
                spool.finish(claim, succeeded(claim, "done"))
        else:
            spool.finish(claim, succeeded(claim, "done"))
    assert spool.results.remove(job.id)
    if os.path.exists(claim.path):
        again(spool, claim)
    assert not spool.results.exists(job.id)
    assert tree.job_files() == []
    lease.end()


def test_a_cancel_does_not_take_back_that_nobody_wants_the_result(tree: Tree, spool: Spool) -> None:
    job = new()
    spool.put(job)
    lease = tree.lease()
    [claim] = one(lease, spool)
    spool.forget(job.id)
    assert spool.cancel(job.id) is True
    spool.finish(claim, succeeded(claim, "done"))
    spool.reclaim()
    assert not spool.results.exists(job.id)
    assert os.listdir(spool.marks) == []
    lease.end()


@pytest.mark.parametrize("forget", [False, True])
def test_a_job_that_was_cancelled_while_it_was_given_back_does_not_run(forget: bool, tree: Tree, spool: Spool) -> None:
    job = new()
    wid = tree.orphan(job)
    spool.cancel(job.id, forget=forget)
    os.rename(f"{spool.active}/{wid}/{job.id}.a1", f"{place_of(spool, job)}/{job.id}.a1")  # by who saw no mark yet
    lease = tree.lease()
    assert one(lease, spool) == []
    assert (spool.results.get(job.id) or {})["status"] == "cancelled"
    spool.reclaim()
    assert spool.results.exists(job.id) is not forget
    assert os.listdir(spool.marks) == []
    lease.end()


def test_a_forgotten_job_does_not_run_again_when_its_worker_dies_with_its_result_gone(tree: Tree, spool: Spool) -> None:
    job = new()
    spool.put(job)
    lease = tree.lease()
    [claim] = one(lease, spool)
    spool.results.publish(succeeded(claim, "done"), sync=False)  # and it has yet to let go of the job
    spool.forget(job.id)
    assert not spool.results.exists(job.id)
    die(lease)
    spool.reclaim()
    assert tree.job_files() == []
    assert not spool.results.exists(job.id)


def test_two_may_remove_the_files_of_a_result_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "page").touch()
    rmtree = shutil.rmtree

    def late(path: str) -> None:
        rmtree(path)  # the other one's
        rmtree(path)

    monkeypatch.setattr(shutil, "rmtree", late)
    files.remove_tree(str(folder))
    assert not folder.exists()


def test_a_letter_that_is_being_written_keeps_its_reason(spool: Spool) -> None:
    job = new(durable=True)
    os.mkdir(spool.dead.path(job.id))
    reason = Path(spool.dead.path(job.id), "reason.json")
    reason.write_text("{}")
    spool.dead.remove(job.id)
    assert reason.exists()


def test_a_burial_that_fails_after_its_last_move_can_be_done_again(
    tree: Tree, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = new(durable=True)
    spool.put(job)
    lease = tree.lease()
    [claim] = one(lease, spool)
    rename = os.rename

    def late(source: str, target: str) -> None:
        rename(source, target)
        if source == claim.path:
            os.unlink(f"{spool.dead.path(job.id)}/reason.json")  # by a retry that tidies up
            raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", late)
        with pytest.raises(OSError, match="Input/output"):
            spool.finish(claim, failed(claim))
    spool.finish(claim, failed(claim))
    assert (spool.dead.reason(job.id) or {})["error"] == "no luck"
    assert [file.id for file in spool.dead.letter(job.id)] == [job.id]
    lease.end()


def test_a_job_whose_file_is_gone_keeps_its_worker_from_no_other(tree: Tree, spool: Spool) -> None:
    job = new(durable=True)
    spool.put(job)
    lease = tree.lease()
    [claim] = one(lease, spool)
    os.unlink(claim.path)
    spool.finish(claim, failed(claim))
    assert (spool.results.get(job.id) or {})["status"] == "failed"
    lease.end()


def test_a_letter_removed_while_it_is_retried_is_unknown(
    tree: Tree, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = new(durable=True)
    spool.put(job)
    bury(spool, job)
    letter = DeadLetters.letter

    def late(letters: DeadLetters, job_id: str) -> list[JobFile]:
        found = letter(letters, job_id)
        shutil.rmtree(letters.path(job_id))
        return found

    monkeypatch.setattr(DeadLetters, "letter", late)
    with pytest.raises(UnknownJob):
        spool.retry(job.id)


@pytest.mark.parametrize("number", [errno.EMFILE, errno.EIO])
def test_a_result_that_cannot_be_looked_for_buries_no_job(
    number: int, tree: Tree, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = new(durable=True)
    tree.orphan(job)
    monkeypatch.setattr("spoolfarm.spool.recovery.UNREADABLE", -1.0)  # however long it lies there
    with monkeypatch.context() as patch:
        patch.setattr(spool.results, "read", refuse(number))
        spool.reclaim()
    assert where(spool, job).startswith("active/")
    spool.reclaim()
    assert where(spool, job).startswith("queue/")


def test_the_bell_that_a_dead_worker_has_left_goes(spool: Spool) -> None:
    os.mkdir(f"{spool.workers}/w1.bell")
    Path(f"{spool.workers}/w1.bell/echo,500000000,hint").touch()
    spool.reclaim()
    assert os.listdir(spool.workers) == []


def test_a_sweep_leaves_a_result_that_has_just_come_in_the_place_of_an_old_one(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = new()
    old = f"{int(job.id[:16], 16) - 10**12:016x}{job.id[16:]}"
    result = succeeded(Claim(new(id=old), "", 0.0), "again")
    path = f"{spool.results.root}/{old}.json"
    spool.results.publish(result, sync=False)
    os.utime(path, (0, 0))
    rename = os.rename

    def late(source: str, target: str) -> None:
        if source == path:
            os.unlink(path)
            monkeypatch.setattr(os, "rename", rename)
            spool.results.publish(result, sync=False)  # of a retry that was faster
        rename(source, target)

    monkeypatch.setattr(os, "rename", late)
    assert spool.results.expire(100) == 0
    assert (spool.results.get(old) or {})["result"] == "again"


def test_an_answer_whose_files_are_removed_before_they_are_read_is_a_known_error(farm: Farm) -> None:
    claim = Claim(new(), "", 0.0)
    farm.results.publish(succeeded(claim, 1)._replace(files={"page": b"text"}), sync=False)
    record = farm.record(claim.job.id)
    farm.results.attachments.remove(claim.job.id)
    with pytest.raises(UnknownFile, match="removed before it was read"):
        farm.collect(record)
