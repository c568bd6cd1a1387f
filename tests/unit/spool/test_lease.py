"""Leases: a worker is alive exactly as long as its process holds its lock."""

from __future__ import annotations

import errno
import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from spoolfarm.spool import files, lease
from spoolfarm.spool.lease import Lease, alive, new_worker_id, ready
from tests.support.spool_tree import Elsewhere, fork


class Place:
    """The two directories that leases live in."""

    def __init__(self, path: Path) -> None:
        self.workers, self.active = str(path / "workers"), str(path / "active")
        os.mkdir(self.workers)
        os.mkdir(self.active)

    def take(self, wid: str) -> Lease:
        return Lease.take(self.workers, self.active, wid)

    def take_over(self, wid: str) -> Lease | None:
        return Lease.take_over(self.workers, self.active, wid)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_a_worker_of_another_process_is_alive_until_that_is_killed(place: Place) -> None:
    with Elsewhere(lambda: place.take("w1")) as other:
        assert alive(place.workers, "w1")
        assert place.take_over("w1") is None
        other.kill()
        taken = place.take_over("w1")
        assert taken is not None
        taken.end()
    assert not alive(place.workers, "w1")
    assert os.listdir(place.workers) == os.listdir(place.active) == []


def test_a_worker_is_alive_for_its_own_process_too(place: Place) -> None:
    mine = place.take("w1")
    assert alive(place.workers, "w1")
    assert place.take_over("w1") is None
    mine.end()


def test_an_ended_lease_leaves_nothing(place: Place) -> None:
    mine = place.take("w1")
    mine.announce({"pid": 1})
    assert mine.try_suspects()
    mine.end()
    assert os.listdir(place.active) == []
    assert os.listdir(place.workers) == ["suspects.lock"]
    other = place.take("w2")
    assert other.try_suspects()
    other.end()


def test_a_lease_that_still_has_jobs_keeps_them(place: Place) -> None:
    mine = place.take("w1")
    Path(mine.active, "job").touch()
    mine.end()
    assert os.listdir(mine.active) == ["job"]


def test_a_dropped_lease_can_be_taken_over_again(place: Place) -> None:
    place.take("w1").drop()
    for _ in range(2):
        taken = place.take_over("w1")
        assert taken is not None
        taken.drop()
    assert os.path.isdir(f"{place.active}/w1")


def test_only_the_living_who_said_so_are_ready(place: Place) -> None:
    silent, dead, living = (place.take(wid) for wid in ("silent", "dead", "living"))
    dead.announce({"pid": 2})
    dead.drop()
    living.announce({"pid": 3, "tasks": ["echo"]})
    (found,) = ready(place.workers)
    assert (found["worker"], found["pid"], found["tasks"]) == ("living", 3, ["echo"])
    assert found["since"] > 1e9
    silent.end()
    living.end()


def test_asking_after_one_long_gone_leaves_no_file(place: Place) -> None:
    assert not alive(place.workers, "gone")
    assert os.listdir(place.workers) == []


def test_asking_after_one_long_gone_locks_nobody_out_when_the_disk_refuses(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Elsewhere(lambda: place.take("w1")) as other:
        other.kill()

    def refuse(path: str) -> bool:
        raise OSError(errno.EIO, "Input/output error", path)

    with monkeypatch.context() as patch:
        patch.setattr(files, "remove", refuse)
        with pytest.raises(OSError, match="Input/output error") as kept:  # as a log keeps it, with all its frames
            alive(place.workers, "w1")
    lease = place.take_over("w1")
    assert lease is not None
    lease.end()
    assert kept.tb is not None


def test_one_process_at_a_time_may_run_suspects(place: Place) -> None:
    def take() -> Any:
        theirs = place.take("w1")
        return theirs if theirs.try_suspects() else False

    mine = place.take("w2")
    with Elsewhere(take) as process:
        assert not mine.try_suspects()
        process.kill()
        assert mine.try_suspects()
        assert mine.try_suspects()  # it has it already
        mine.drop_suspects()
        mine.drop_suspects()
    other = place.take("w3")
    assert other.try_suspects()
    assert not mine.try_suspects()
    mine.end()
    other.end()


def test_a_lock_that_somebody_tries_in_passing_is_waited_for(place: Place) -> None:
    passing = place.take_over("w1")
    assert passing is not None
    taken: list[Lease] = []
    worker = threading.Thread(target=lambda: taken.append(place.take("w1")))
    worker.start()
    worker.join(0.1)
    assert worker.is_alive()
    passing.drop()
    worker.join(lease.PATIENCE)
    assert alive(place.workers, "w1")
    taken[0].end()


def test_whoever_reclaims_while_workers_start_never_gets_a_living_one(place: Place) -> None:
    """A reclaimer may lock and unlink a lock file between a worker's open and its flock."""

    def reclaim() -> None:
        os.write(writer, b"!")
        while True:
            for name in os.listdir(place.workers):
                taken = place.take_over(name.removesuffix(".lock"))
                if taken is not None:
                    taken.end()

    reader, writer = os.pipe()
    children = []
    try:
        for _ in range(2):
            children.append(fork(reclaim))
            assert os.read(reader, 1)
        for number in range(300):
            mine = place.take(f"w{number}")
            held = os.fstat(mine._lock._context.lock_file_fd)  # type: ignore[arg-type]
            assert os.stat(f"{place.workers}/w{number}.lock").st_ino == held.st_ino
            assert os.path.isdir(mine.active)
            mine.end()
        assert [os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) for pid in children] == [None, None]
    finally:
        for pid in children:
            os.kill(pid, signal.SIGKILL)  # not reaped yet
            os.waitpid(pid, 0)
        os.close(reader)
        os.close(writer)


def test_worker_ids_are_not_used_twice() -> None:
    ids = {new_worker_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert all("/" not in each and not each.startswith(".") for each in ids)
