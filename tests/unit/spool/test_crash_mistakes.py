"""The mistakes that the crash model is there to find, each made on purpose: it finds them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from spoolfarm.errors import SpoolUnavailable
from spoolfarm.spool import files
from spoolfarm.spool.buckets import Bucket, bucket
from spoolfarm.spool.job import Job, Result
from spoolfarm.spool.jobfile import Claim
from spoolfarm.spool.lease import Lease
from spoolfarm.spool.results import Results
from spoolfarm.spool.spool import Spool
from tests.support.crash_points import enumerate_points, in_child, new, too_early
from tests.support.crash_scenarios import finish, put
from tests.support.spool_tree import Tree


@pytest.fixture(autouse=True)
def _no_real_fsync(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that dies loses no page, so only the calls count."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def in_place(spool: Spool, job: Job) -> None:
    """Writes where readers look."""
    place = bucket(spool.queue, job.task, job.priority, job.id)
    files.make_directory(place.path)
    try:
        files.write_new(f"{place.path}/{job.id}.a0", job.to_buffers(), sync=job.durable)
        files.sync_directory(place.path)
    except OSError as error:
        raise SpoolUnavailable(f"nothing was queued: {error}") from error


def replacing(temporary: str, path: str) -> bool:
    """Publishes by rename."""
    os.rename(temporary, path)
    return True


def uncounted(spool: Spool, lease: Lease, place: Bucket, name: str) -> Claim | None:
    """Claims without counting the attempt."""
    path = f"{lease.active}/{name}"
    os.rename(f"{place.path}/{name}", path)
    return Claim(Job.from_bytes(files.read(path), 1), path, 0.0)


def claim_and_die(tree: Tree) -> None:
    """Claim the next job, and let go of it."""
    assert tree.spool.claim(tree.lease(), tree.spool.cursor(["echo"]), lambda task: 1)


def test_writing_in_place_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Spool, "put", in_place)
    assert any("I5" in each and "torn" in each for each in enumerate_points(put(True), tmp_path, ["half"]).violations)


def test_publishing_by_rename_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "publish", replacing)
    violations = enumerate_points(finish(True, late=True), tmp_path, ["kill"]).violations
    assert any("the first result was replaced" in each for each in violations)


def test_removing_the_job_before_its_result_is_published_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Spool, "finish", too_early)
    assert any("is lost" in each for each in enumerate_points(finish(True), tmp_path, ["kill"]).violations)


def test_writing_results_in_place_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def show(results: Results, result: Result, *, sync: bool) -> bool:
        files.write_new(f"{results.root}/{result.id}.json", [result.to_bytes()], sync=sync)
        return True

    monkeypatch.setattr(Results, "show", show)
    assert any(
        "I5" in each and "torn" in each for each in enumerate_points(finish(True), tmp_path, ["half"]).violations
    )


def test_a_claim_that_does_not_count_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = Tree(tmp_path / "tree")
    tree.put(new())
    monkeypatch.setattr(Spool, "_claim", uncounted)
    for _ in range(tree.spool.max_attempts):
        in_child(tree, lambda child: claim_and_die(tree))
        tree.spool.reclaim()
    assert not tree.spool.dead.ids()  # which the test above asserts of the sound spool
