"""The clock of sweeps: one that is wrong for a while takes no answer with it."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path

import pytest

from spoolfarm.farm.farm import Farm
from spoolfarm.spool import files, sweep_clock
from spoolfarm.spool.jobfile import Claim
from spoolfarm.spool.sweep_clock import STEP, believed
from tests.support.spool_jobs import DAY, aged, new
from tests.support.spool_tree import Tree, succeeded


class Clock:
    """The time of day as the test sets it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = time.time()
        monkeypatch.setattr(sweep_clock.time, "time", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def test_a_clock_that_is_days_ahead_for_a_sweep_takes_no_result_no_letter_and_no_key(farm: Farm, clock: Clock) -> None:
    farm.sweep()
    job = farm.put(farm.prepare("echo", [], {}, durable=True), key="key")
    farm.cancel(job.id)
    clock.now += 30 * DAY
    farm.sweep()
    clock.now -= 30 * DAY
    farm.sweep()
    assert job.status() == "cancelled"
    assert farm.put(farm.prepare("echo", [], {}, durable=True), key="key").id == job.id


def test_what_a_sweep_believes_goes_on_by_steps_and_back_at_once(tree: Tree, clock: Clock) -> None:
    root, begin = tree.spool.root, clock.now
    assert believed(root) == begin
    clock.now = begin + 60
    assert believed(root) == clock.now
    clock.now = begin + DAY
    assert [believed(root) - begin for _ in range(3)] == pytest.approx([60 + STEP, 60 + 2 * STEP, 60 + 3 * STEP])
    clock.now = begin - DAY
    assert believed(root) == clock.now
    clock.now = begin
    assert believed(root) == pytest.approx(begin - DAY + STEP)


def test_a_farm_that_was_down_for_days_catches_up(farm: Farm, clock: Clock) -> None:
    old = aged(new(), 2 * DAY)
    farm.results.publish(succeeded(Claim(old, "", 0.0), 1), sync=False)
    path = Path(farm.results.root, f"{old.id}.json")
    os.utime(path, (clock.now - 2 * DAY, clock.now - 2 * DAY))
    clock.now -= 2 * DAY
    farm.sweep()
    clock.now += 2 * DAY
    sweeps = 0
    while path.exists():
        farm.sweep()
        sweeps += 1
        assert sweeps < 300
    assert sweeps > DAY / STEP - 2


def test_a_full_disk_is_swept_too(tree: Tree, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: str, buffers: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files, "write_new", full)
    assert believed(tree.spool.root) == clock.now
