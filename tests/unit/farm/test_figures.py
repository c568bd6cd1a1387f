"""Figures: what is counted is what is there, and a deep queue is not listed for everyone who asks."""

from __future__ import annotations

import os

import pytest

from spoolfarm.farm import Farm
from spoolfarm.spool import files
from spoolfarm.spool.buckets import bucket
from spoolfarm.spool.job import NORMAL


def test_figures_count_what_waits_by_task_and_the_room_on_the_disk(farm: Farm) -> None:
    for _ in range(3):
        farm.submit("echo")
    seen, disk = farm.figures(), os.statvfs(farm.root)
    assert (dict(seen.queued), seen.running, seen.dead, seen.workers) == ({"echo": 3}, 0, 0, [])
    assert seen.total_bytes == disk.f_blocks * disk.f_frsize
    assert abs(seen.free_bytes - disk.f_bavail * disk.f_frsize) < 2**30


def test_a_bucket_that_has_not_changed_is_not_listed_again(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    first = farm.submit("echo")
    os.utime(bucket(farm.spool.queue, "echo", NORMAL, first.id).path, (0, 0))  # as if it had been long ago
    listed: list[str] = []
    names = files.names
    monkeypatch.setattr(files, "names", lambda path: listed.append(path) or names(path))
    for _ in range(3):
        assert farm.spool.count() == {"echo": 1}
    assert len([path for path in listed if path.count("/echo/")]) == 1
    job = farm.submit("echo")
    assert farm.spool.count() == {"echo": 2}
    job.cancel()
    assert farm.spool.count() == {"echo": 1}


def test_a_bucket_that_changed_just_now_is_listed_again(farm: Farm) -> None:
    for number in range(200):
        farm.submit("echo", durable=False)
        assert farm.spool.count() == {"echo": number + 1}
