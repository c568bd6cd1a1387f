"""The bell: one job wakes one idle worker that runs such jobs, and no wake-up is lost."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from spoolfarm.spool import files
from spoolfarm.spool.doorbell import Bell
from spoolfarm.spool.job import Job
from spoolfarm.spool.lease import Lease
from spoolfarm.spool.results import Results
from spoolfarm.spool.spool import Spool

#: Longer than any of the waits below that shall be ended by a ring.
LONG = 20.0
#: Longer than an event takes, for waits that nothing shall end.
SHORT = 0.05

Enter = Callable[..., Bell]


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    results = Results(str(tmp_path / "results"))
    yield Spool(str(tmp_path / "spool"), results)
    results.close()


@pytest.fixture
def enter(spool: Spool) -> Iterator[Enter]:
    """A function by which a worker enters, ready for *tasks*."""
    made: list[tuple[Lease, Bell]] = []

    def enter(wid: str, *tasks: str) -> Bell:
        lease = Lease.take(spool.workers, spool.active, wid)
        bell = Bell(spool.root, wid)
        lease.announce({"tasks": list(tasks)})
        made.append((lease, bell))
        return bell

    yield enter
    for lease, bell in made:
        lease.drop()
        bell.close()


def woken(bell: Bell) -> bool:
    """Whether somebody has rung for a worker that lay down."""
    before = time.monotonic()
    bell.wait(SHORT)
    return time.monotonic() - before < SHORT


def idle(spool: Spool) -> list[str]:
    return sorted(os.listdir(f"{spool.root}/idle"))


def age(spool: Spool, seconds: float) -> None:
    """Let the directory of idle workers have changed *seconds* ago."""
    then = time.time() - seconds
    os.utime(f"{spool.root}/idle", (then, then))


@pytest.mark.parametrize("seconds", [0.0, 2.0, 3600.0, -3600.0])
def test_who_lies_down_after_nobody_was_idle_for_a_while_is_woken(seconds: float, spool: Spool, enter: Enter) -> None:
    bell = enter("w1", "echo")
    age(spool, seconds)
    for _ in range(3):
        spool.put(Job("echo"))
        bell.lie_down()
        spool.put(Job("echo"))
        assert woken(bell)
        for _ in range(3):
            spool.put(Job("echo"))
        age(spool, seconds)
        for _ in range(3):
            spool.put(Job("echo"))


def test_a_directory_of_idle_workers_in_which_nothing_happens_is_not_read_for_every_job(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    age(spool, 2.0)
    read: list[str] = []
    monkeypatch.setattr(files, "names", lambda path: read.append(path) or [])
    for _ in range(5):
        spool.put(Job("echo"))
    assert read == [f"{spool.root}/idle"] * 2


def test_a_job_wakes_one_idle_worker_and_disturbs_no_other(spool: Spool, enter: Enter) -> None:
    bells = [enter(f"w{number}", "echo") for number in range(4)]
    for bell in bells:
        bell.lie_down()
    spool.put(Job("echo"))
    assert [woken(bell) for bell in bells].count(True) == 1
    assert len(idle(spool)) == 3


def test_each_job_of_a_burst_wakes_a_worker_of_its_own(spool: Spool, enter: Enter) -> None:
    bells = [enter(f"w{number}", "echo") for number in range(3)]
    for bell in bells:
        bell.lie_down()
    for _ in range(5):
        spool.put(Job("echo"))
    assert all(woken(bell) for bell in bells)


def test_only_a_worker_that_runs_the_task_is_woken(spool: Spool, enter: Enter) -> None:
    simulates, reads = enter("a", "simulate"), enter("b", "ocr", "echo")
    simulates.lie_down()
    reads.lie_down()
    spool.put(Job("echo"))
    assert woken(reads)
    assert not woken(simulates)


def test_nobody_rings_for_a_busy_worker(spool: Spool, enter: Enter) -> None:
    bell = enter("a", "echo")
    spool.put(Job("echo"))
    assert not woken(bell)
    bell.lie_down()
    bell.get_up()
    spool.put(Job("echo"))
    assert not woken(bell)
    assert idle(spool) == []


def test_a_ring_between_the_last_look_and_the_sleep_is_heard(spool: Spool, enter: Enter) -> None:
    bell = enter("a", "echo")
    bell.lie_down()
    spool.put(Job("echo"))
    before = time.monotonic()
    bell.wait(LONG)
    assert time.monotonic() - before < LONG / 2


def test_a_ring_tells_where_the_job_is(spool: Spool, enter: Enter) -> None:
    bell, job = enter("a", "echo"), Job("echo", priority=3)
    bell.lie_down()
    spool.put(job)
    hint = bell.wait(LONG)
    cursor = spool.cursor(["echo"])
    assert hint
    assert cursor.point(hint)
    found = cursor.next()
    assert found
    assert os.path.exists(f"{found[0].path}/{found[1]}")
    assert found[1].startswith(job.id)


def test_a_sleeper_is_woken(spool: Spool, enter: Enter) -> None:
    bell = enter("a", "echo")
    bell.lie_down()
    sleeper = threading.Thread(target=bell.wait, args=(LONG,))
    sleeper.start()
    spool.put(Job("echo"))
    sleeper.join(LONG / 2)
    assert not sleeper.is_alive()


def test_a_worker_rung_while_it_found_the_job_itself_is_rung_again_for_the_next(spool: Spool, enter: Enter) -> None:
    bell = enter("a", "echo")
    for _ in range(3):
        bell.lie_down()
        spool.put(Job("echo"))
        bell.get_up()  # it found the job when it looked, before it could wait
        bell.lie_down()
        woken(bell)  # by the ring for the job it has done already
        bell.lie_down()
        assert idle(spool) == ["a"]
        spool.put(Job("echo"))
        assert woken(bell)


def test_a_bell_rung_for_a_worker_that_dies_wakes_the_others(spool: Spool, enter: Enter) -> None:
    first, second = enter("a", "echo"), enter("b", "echo")
    first.lie_down()
    spool.put(Job("echo"))
    second.lie_down()
    dead = Lease.take_over(spool.workers, spool.active, "a")
    assert dead is None, "it still lives"
    spool.retire(Lease(spool.workers, spool.active, "a"))
    assert woken(second)


def test_nothing_of_a_worker_stays(spool: Spool, enter: Enter) -> None:
    for wid, act in (("a", Bell.lie_down), ("b", Bell.get_up)):
        act(enter(wid, "echo"))
        spool.retire(Lease(spool.workers, spool.active, wid))
    assert idle(spool) == []
    assert os.listdir(spool.workers) == []


def test_a_job_is_queued_though_the_workers_directory_is_damaged(spool: Spool, enter: Enter) -> None:
    enter("a", "echo").lie_down()
    os.rmdir(f"{spool.workers}/a.bell")
    Path(spool.root, "idle", "no worker of ours").touch()
    spool.put(Job("echo"))
    assert spool.count() == {"echo": 1}


def test_a_reclaimed_job_wakes_a_worker(spool: Spool, enter: Enter) -> None:
    enter("dying", "echo").lie_down()
    spool.put(Job("echo"))
    lease = Lease(spool.workers, spool.active, "dying")
    assert spool.claim(lease, spool.cursor(["echo"]), lambda _: 1)
    second = enter("b", "echo")
    second.lie_down()
    os.rename(f"{spool.workers}/dying.lock", f"{spool.root}/gone")  # so that its lock is free
    assert spool.reclaim() == 1
    assert woken(second)
