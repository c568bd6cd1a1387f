"""The pool: what becomes of the jobs of a worker that ends, and whom the launcher counts among its staff."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from spoolfarm.config import Crew
from spoolfarm.farm.farm import Farm
from spoolfarm.launcher.autoscale import Look
from spoolfarm.launcher.launcher import Launcher
from spoolfarm.launcher.worker_child import WorkerChild
from spoolfarm.spool.job import Job
from spoolfarm.spool.lease import Lease
from spoolfarm.tasks.lanes import GENERAL
from tests.support.running_farm import until
from tests.support.spool_jobs import die, one

KILLED = "killed by signal 9 (SIGKILL)"


@pytest.fixture
def worker(launcher: Launcher) -> Iterator[WorkerChild]:
    """A worker's process that does nothing, so that the test can take, and drop, the worker's lease."""
    pool = launcher._pool
    made = WorkerChild(1, GENERAL, ["echo"], pool._settings, pool._selector, None)
    made._command = ["sh", "-c", "exec sleep 600"]
    made.start()
    pool.workers.append(made)
    yield made
    made.kill()
    until(lambda: made.pid is None or made.reap() is not None)


def running(farm: Farm, worker: WorkerChild) -> tuple[Lease, Job]:
    """The worker's lease, and a job that it has claimed."""
    lease = Lease.take(farm.spool.workers, farm.spool.active, worker.wid)
    lease.announce({"tasks": ["echo"]})
    job = Job("echo", durable=True)
    farm.spool.put(job)
    assert one(lease, farm.spool)
    return lease, job


def end(launcher: Launcher, worker: WorkerChild) -> None:
    """The worker dies, and the launcher sees it."""
    worker.kill()
    until(lambda: launcher._pool.look(ending=True) is None and worker.pid is None)


def test_the_job_of_a_worker_that_is_just_ending_waits_until_it_is_known_how_it_ended(
    farm: Farm, launcher: Launcher, worker: WorkerChild
) -> None:
    lease, job = running(farm, worker)
    die(lease)
    launcher._pool.look(ending=True)
    assert [file.id for file in farm.spool.running()[worker.wid]] == [job.id]
    end(launcher, worker)
    assert [attempt["reason"] for attempt in farm.results.lost(job.id)] == [KILLED]


def test_how_a_worker_ended_is_not_forgotten_while_the_disk_refuses_its_job(
    farm: Farm, launcher: Launcher, worker: WorkerChild, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease, job = running(farm, worker)
    die(lease)

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("spoolfarm.spool.spool.move", full)
        end(launcher, worker)
        assert not farm.spool.count().get("echo")
    launcher._pool.look(ending=True)
    assert farm.spool.count() == {"echo": 1}
    assert {attempt["reason"] for attempt in farm.results.lost(job.id)} == {KILLED}
    assert launcher._pool._causes == {}


def test_jobs_of_paused_tasks_are_no_reason_for_more_workers_and_a_worker_that_retires_is_none(
    farm: Farm, launcher: Launcher, worker: WorkerChild, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[Look] = []
    launcher._autoscale.crew = Crew(1, 4)
    launcher._pool._wanted[GENERAL] = 1
    monkeypatch.setattr(launcher._autoscale, "wanted", lambda look: looks.append(look) or look.wanted)
    lease, _ = running(farm, worker)
    farm.submit("echo")

    def look() -> Look:
        launcher._pool.look(ending=True)
        launcher._fit(0.0)
        return looks[-1]

    assert look() == Look(0.0, wanted=1, ready=1, busy=1, waiting=1)
    for name in ("echo", "*"):
        farm.spool.pause(name)
        assert look() == replace(looks[0], waiting=0)
        farm.spool.resume(name)
    worker.retired = True
    assert look() == replace(looks[0], ready=0, busy=0)
    die(lease)
