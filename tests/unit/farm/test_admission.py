"""Admission: the limit is exact, the disk has a floor, and nothing is refused that has room."""

from __future__ import annotations

import os
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from spoolfarm.errors import SpoolFull, SpoolUnavailable
from spoolfarm.farm import admission as admission_module
from spoolfarm.farm.admission import MIN_INODES, Admission
from spoolfarm.farm.farm import Farm
from spoolfarm.spool.job import Job
from spoolfarm.spool.spool import Spool


class Clock:
    """A clock that stands until it is moved, for room.py alone."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(admission_module, "time", SimpleNamespace(monotonic=lambda: self.now))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture
def spool(farm: Farm) -> Spool:
    return farm.spool


def put(room: Admission, spool: Spool) -> None:
    room.take()
    spool.put(Job("echo"))


def refused(room: Admission) -> bool:
    try:
        room.take()
    except SpoolFull:
        return True
    return False


def counted(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry for each count of the queue."""
    count, counts = spool.count, []

    def note() -> dict[str, int]:
        counts.append(1)
        return count()

    monkeypatch.setattr(spool, "count", note)
    return counts


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("limit", [0, 1, 7])
def test_as_many_jobs_as_allowed_wait_and_no_more(limit: int, spool: Spool) -> None:
    room = Admission(spool, limit=limit, min_free_mb=0)
    for _ in range(limit):
        put(room, spool)
    with pytest.raises(SpoolFull, match=f"{limit} jobs are waiting; .*FARM_MAX_QUEUED"):
        room.take()


def test_the_limit_holds_among_many_threads(spool: Spool) -> None:
    room = Admission(spool, limit=20, min_free_mb=0)
    taken = []

    def submit() -> None:
        for _ in range(10):
            if not refused(room):
                taken.append(1)
                spool.put(Job("echo"))

    threads = [threading.Thread(target=submit) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(taken) == sum(spool.count().values())
    assert len(taken) <= 20 + len(threads)  # a count does not see what was let in and is still being written
    assert len(taken) >= 20


def test_the_queue_is_counted_again_before_anything_is_refused(farm: Farm, clock: Clock) -> None:
    spool = farm.spool
    room = Admission(spool, limit=2, min_free_mb=0)
    put(room, spool)
    put(room, spool)
    assert refused(room)
    for entry, _ in list(spool.queued()):
        spool.cancel(entry.id)
    clock.now += 0.001
    assert not refused(room)


def test_the_jobs_of_other_submitters_count(spool: Spool, clock: Clock) -> None:
    room = Admission(spool, limit=5, min_free_mb=0)
    put(room, spool)
    for _ in range(4):
        spool.put(Job("echo"))
    clock.now += admission_module.FRESH
    assert refused(room)


def test_the_queue_is_counted_once_a_second_and_no_more(
    spool: Spool, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = counted(spool, monkeypatch)
    room = Admission(spool, limit=1000, min_free_mb=0)
    for _ in range(100):
        room.take()
    assert len(counts) == 1
    clock.now += admission_module.FRESH
    room.take()
    assert len(counts) == 2


def test_a_deep_queue_is_not_counted_for_every_refusal(
    spool: Spool, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = []

    def slow() -> dict[str, int]:
        counts.append(clock.now)
        clock.now += 0.1
        return {"echo": 50}

    monkeypatch.setattr(spool, "count", slow)
    room = Admission(spool, limit=50, min_free_mb=0)
    for _ in range(100):
        assert refused(room)
        clock.now += 0.1
    assert 2 <= len(counts) <= 8


def disk(**fields: Any) -> Any:
    """What statvfs says of a disk with plenty of everything but *fields*."""
    plenty = {"f_bavail": 10**6, "f_frsize": 4096, "f_files": 10**6, "f_favail": 10**5, "f_flag": 0}
    return lambda path: SimpleNamespace(**{**plenty, **fields})


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"f_bavail": 99 * 256}, "only 99 MiB left; .*FARM_MIN_FREE_MB"),
        ({"f_bavail": 0}, "only 0 MiB left"),
        ({"f_favail": MIN_INODES - 1}, f"only {MIN_INODES - 1} inodes left"),
        ({"f_flag": os.ST_RDONLY}, "mounted read-only"),
    ],
    ids=str,
)
def test_a_disk_that_is_all_but_full_takes_nothing_new(
    state: dict[str, int], message: str, spool: Spool, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = Admission(spool, limit=10, min_free_mb=100)
    with monkeypatch.context() as patch:
        patch.setattr(os, "statvfs", disk(**state))
        for _ in range(3):
            with pytest.raises(SpoolUnavailable, match=message):
                room.take()
    monkeypatch.setattr(os, "statvfs", disk())
    room.take()


@pytest.mark.parametrize("name", ["the spool", "the results", "the data"])
def test_each_of_the_disks_must_have_room(name: str, farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    place = {"the spool": farm.root, "the results": farm.results.root, "the data": farm.settings.data_dir}[name]
    full, roomy = disk(f_bavail=0), disk()
    monkeypatch.setattr(os, "statvfs", lambda path: full(path) if path == place else roomy(path))
    room = Admission(farm.spool, limit=10, min_free_mb=100, others=[farm.settings.data_dir])
    with pytest.raises(SpoolUnavailable, match=f"the disk of {name} has only 0 MiB left"):
        room.take()


@pytest.mark.parametrize(
    "state", [{"f_bavail": 100 * 256}, {"f_favail": MIN_INODES}, {"f_files": 0, "f_favail": 0}], ids=str
)
def test_a_disk_with_just_enough_takes_more(
    state: dict[str, int], spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "statvfs", disk(**state))
    Admission(spool, limit=10, min_free_mb=100).take()


def test_a_disk_that_fills_up_is_noticed_within_a_second(
    spool: Spool, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = Admission(spool, limit=10, min_free_mb=100)
    monkeypatch.setattr(os, "statvfs", disk())
    room.take()
    monkeypatch.setattr(os, "statvfs", disk(f_bavail=0))
    clock.now += admission_module.FRESH
    with pytest.raises(SpoolUnavailable):
        room.take()
