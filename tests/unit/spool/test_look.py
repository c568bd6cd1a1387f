"""Looking: a job is found wherever it is and whenever it moves."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from spoolfarm.spool import files
from spoolfarm.spool.job import Job, State
from spoolfarm.spool.jobfile import Claim, born
from spoolfarm.spool.results import Results
from spoolfarm.spool.spool import Spool
from tests.support.spool_jobs import die, new, one
from tests.support.spool_tree import Tree, failed, succeeded


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
