"""Pauses: no job of a paused task is claimed, nothing else waits for it, and no process has to know."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from spoolfarm.errors import SpoolUnavailable
from spoolfarm.spool import files
from spoolfarm.spool.doorbell import Bell
from spoolfarm.spool.job import Job
from spoolfarm.spool.lease import Lease
from spoolfarm.spool.paused import ALL, SEEN
from spoolfarm.spool.spool import Spool
from tests.support.spool_jobs import aged, new
from tests.support.spool_tree import Tree

TASKS = ["echo", "ocr"]


def numbers(spool: Spool, lease: Lease, most: int = 1) -> list[int]:
    """What a worker that begins now would claim, one claim after the other."""
    cursor, found = spool.cursor(TASKS), list[int]()
    while batch := spool.claim(lease, cursor, lambda task: most):
        found += [claim.job.params["number"] for claim in batch]
    return found


def other(number: int) -> Job:
    return Job("ocr", {"number": number}, [b"picture"])


def test_the_jobs_of_a_paused_task_wait_and_those_of_others_do_not(tree: Tree, spool: Spool) -> None:
    lease = tree.lease()
    spool.pause("echo")
    for job in (aged(new(1), 60), other(2), new(3)):
        spool.put(job)
    assert numbers(spool, lease) == [2]
    assert spool.count()["echo"] == 2
    spool.resume("echo")
    assert numbers(spool, lease) == [1, 3]
    lease.end()


def test_a_pause_holds_from_the_next_claim_on_for_a_worker_that_has_listed_the_queue(tree: Tree, spool: Spool) -> None:
    for number in range(5):
        spool.put(aged(new(number), 60 - number / 1000))
    spool.put(other(9))
    lease, cursor = tree.lease(), spool.cursor(TASKS)
    [first] = spool.claim(lease, cursor, lambda task: 1)
    assert first.job.params["number"] == 0
    spool.pause("echo")
    [second] = spool.claim(lease, cursor, lambda task: 1)
    assert second.job.task == "ocr"
    assert spool.claim(lease, cursor, lambda task: 1) == []
    spool.resume("echo")
    [third] = spool.claim(lease, cursor, lambda task: 1)
    assert third.job.params["number"] == 1
    lease.end()


def test_a_worker_that_was_rung_for_a_paused_job_goes_back_to_sleep(tree: Tree, spool: Spool) -> None:
    lease, cursor = tree.lease(), spool.cursor(TASKS)
    spool.pause("echo")
    job = new()
    spool.put(job)
    assert cursor.point(f"echo,5{job.id[:8]},{job.id}.a0")
    assert spool.claim(lease, cursor, lambda task: 1) == []
    assert not cursor.has_more
    lease.end()


def test_all_tasks_rest_together_and_one_that_is_resumed_rests_on_with_them(tree: Tree, spool: Spool) -> None:
    lease = tree.lease()
    spool.pause(ALL)
    spool.pause("ocr")
    spool.put(new(1))
    spool.put(other(2))
    assert (spool.paused.names(), numbers(spool, lease)) == ([ALL, "ocr"], [])
    spool.resume("ocr")
    assert (spool.paused.names(), numbers(spool, lease)) == ([ALL], [])
    spool.pause("ocr")
    spool.resume(ALL)
    assert spool.paused.names() == []
    assert sorted(numbers(spool, lease)) == [1, 2]
    lease.end()


def test_a_pause_is_kept_by_the_disk_and_by_nobody(tree: Tree, spool: Spool) -> None:
    spool.pause("echo")
    began = spool.paused.since("echo")
    spool.pause("echo")  # it does not begin anew
    again = tree.open()
    assert again.paused.names() == ["echo"]
    assert again.paused.since("echo") == began <= time.time()
    again.resume("echo")
    assert not spool.paused.on("echo")
    assert not os.path.exists(f"{spool.root}/paused"), "where nothing is paused a claim finds no directory"
    spool.resume("echo")  # twice does no harm


def test_a_claim_lists_nothing_for_the_sake_of_pauses(
    tree: Tree, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(20):
        spool.put(aged(new(number), 60 - number / 1000))
    spool.pause("ocr")
    lease, cursor, listed = tree.lease(), spool.cursor(TASKS), list[str]()
    names = files.names
    monkeypatch.setattr(files, "names", lambda path: listed.append(path) or names(path))
    before = time.monotonic()
    for _ in range(20):
        assert spool.claim(lease, cursor, lambda task: 1)
    most = 1 + (time.monotonic() - before) / 0.1  # a list of buckets is good for a tenth of a second
    assert len([path for path in listed if path.endswith("/paused")]) <= most
    monkeypatch.undo()
    lease.end()


def test_a_worker_looks_for_pauses_now_and_then_and_not_at_every_claim(
    tree: Tree, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(20):
        spool.put(aged(new(number), 60 - number / 1000))
    lease, cursor, looks = tree.lease(), spool.cursor(TASKS), list[float]()
    monkeypatch.setattr(spool.paused, "any", lambda: looks.append(time.monotonic()))
    before = time.monotonic()
    for _ in range(20):
        assert spool.claim(lease, cursor, lambda task: 1)
    assert 1 <= len(looks) <= 1 + (time.monotonic() - before) / SEEN
    lease.end()


def test_idle_workers_are_woken_by_a_resume(tree: Tree, spool: Spool) -> None:
    lease = tree.lease()
    bell = Bell(spool.root, lease.wid)
    bell.lie_down()
    spool.pause("echo")
    spool.resume("echo")
    assert bell.wait(0) is not None
    bell.close()
    lease.end()


def test_a_directory_of_pauses_that_nobody_may_list_keeps_no_worker_busy(tree: Tree, spool: Spool) -> None:
    spool.put(new(1))
    spool.put(other(2))
    lease = tree.lease()
    spool.pause("echo")
    names = files.names
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "names", lambda path: [] if path.endswith("/paused") else names(path))
        assert numbers(spool, lease) == [2]
    lease.end()


def test_a_pause_that_cannot_be_written_is_refused(spool: Spool) -> None:
    Path(spool.root, "paused").write_bytes(b"")  # somebody's file is in the way
    with pytest.raises(SpoolUnavailable, match="cannot be written"):
        spool.pause("echo")
    assert spool.paused.names() == []
