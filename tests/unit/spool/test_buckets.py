"""The order of work, and a cursor's way through it."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from spoolfarm.farm.farm import Farm
from spoolfarm.spool import buckets as queue
from spoolfarm.spool import files
from spoolfarm.spool.buckets import CROWDED, Cursor, bucket, buckets
from spoolfarm.spool.paused import PausedTasks

SLOT = 2**32


def job_id(slot: int, number: int = 0) -> str:
    return f"{slot * SLOT + number:016x}00000000"


def put(root: Path, task: str, priority: int, each: str, attempts: int = 0) -> None:
    place = bucket(str(root), task, priority, each)
    os.makedirs(place.path, exist_ok=True)
    Path(f"{place.path}/{each}.a{attempts}").touch()


def drain(cursor: Cursor) -> list[str]:
    """What the cursor gives until its end, each taken away as a claim would."""
    given = []
    while (found := cursor.next()) is not None:
        place, name = found
        os.unlink(f"{place.path}/{name}")
        given.append(f"{place.task} {place.name[0]} {name}")
    return given


def now() -> int:
    return time.time_ns() // SLOT


def full(root: Path, count: int) -> list[str]:
    """Queue so many jobs in one bucket; the names of their files."""
    for number in range(count):
        put(root, "a", 5, job_id(1, number))
    return [f"{job_id(1, number)}.a0" for number in range(count)]


def test_a_bucket_follows_from_the_job_alone() -> None:
    place = bucket("/q", "ocr", 3, job_id(0x12345678))
    assert (place.task, place.name, place.path) == ("ocr", "312345678", "/q/ocr/312345678")


def test_the_order_is_priority_then_time_then_task(tmp_path: Path) -> None:
    put(tmp_path, "b", 5, job_id(1, 2))
    put(tmp_path, "b", 5, job_id(1, 1))
    put(tmp_path, "a", 5, job_id(1, 3))
    put(tmp_path, "a", 5, job_id(2, 0))
    put(tmp_path, "b", 0, job_id(9, 0))
    put(tmp_path, "a", 9, job_id(0, 0))
    put(tmp_path, "other", 0, job_id(0, 0))
    assert drain(Cursor(str(tmp_path), ["a", "b"], PausedTasks(str(tmp_path)))) == [
        f"b 0 {job_id(9, 0)}.a0",
        f"a 5 {job_id(1, 3)}.a0",
        f"b 5 {job_id(1, 1)}.a0",
        f"b 5 {job_id(1, 2)}.a0",
        f"a 5 {job_id(2, 0)}.a0",
        f"a 9 {job_id(0, 0)}.a0",
    ]


def test_there_may_be_no_queue_at_all(tmp_path: Path) -> None:
    assert Cursor(str(tmp_path), ["a"], PausedTasks(str(tmp_path))).next() is None
    assert buckets(str(tmp_path), ["a"]) == []


def test_after_its_end_a_cursor_starts_over(tmp_path: Path) -> None:
    cursor = Cursor(str(tmp_path), ["a"], PausedTasks(str(tmp_path)))
    assert cursor.next() is None
    put(tmp_path, "a", 5, job_id(now()))
    assert len(drain(cursor)) == 1
    put(tmp_path, "a", 5, job_id(now(), 1))
    assert len(drain(cursor)) == 1


def test_a_hint_that_helps_no_more_is_passed_over(tmp_path: Path) -> None:
    put(tmp_path, "a", 5, job_id(1))
    cursor = Cursor(str(tmp_path), ["a"], PausedTasks(str(tmp_path)))
    for useless in ("", "look", "a,b", "b,5,name"):
        assert not cursor.point(useless)
    assert cursor.point(f"a,500000001,{job_id(1, 7)}.a0")
    assert [name for _, name in iter(cursor.next, None)] == [f"{job_id(1, 7)}.a0"]
    assert len(drain(cursor)) == 1, "and then it looks for itself"


def test_a_more_urgent_job_is_seen_before_the_rest_of_a_long_bucket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    for number in range(10):
        put(tmp_path, "a", 5, job_id(1, number))
    cursor = Cursor(str(tmp_path), ["a"], PausedTasks(str(tmp_path)))
    first = cursor.next()
    assert first is not None
    put(tmp_path, "a", 0, job_id(2))
    clock[0] += queue.FRESH
    urgent = cursor.next()
    assert urgent is not None
    assert urgent[0].name[0] == "0"


def test_a_long_bucket_is_listed_once_while_it_is_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    for number in range(50):
        put(tmp_path, "a", 5, job_id(1, number))
    listed: list[str] = []
    names = files.names

    def note(path: str) -> list[str]:
        listed.append(path)
        return names(path)

    monkeypatch.setattr(files, "names", note)
    cursor = Cursor(str(tmp_path), ["a"], PausedTasks(str(tmp_path)))
    for _ in range(50):
        assert cursor.next() is not None
        clock[0] += queue.FRESH
    assert len([path for path in listed if path.endswith("00000001")]) == 1


def test_where_others_empty_the_same_bucket_its_rest_is_listed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    names = full(tmp_path, 50)
    cursor = Cursor(str(tmp_path), ["a"], PausedTasks(str(tmp_path)))
    first = cursor.next()
    assert first is not None
    for name in names[:40]:
        os.unlink(f"{first[0].path}/{name}")
    clock[0] += queue.FRESH
    given = []
    while (found := cursor.next()) is not None and found[1] not in names[40:]:
        given.append(found[1])
        cursor.missed(found[1], len(given))
    assert given == names[1 : 1 + CROWDED], "after a few that were gone, the cursor knows of the others"
    assert found is not None
    assert found[1] == names[40]


def test_a_job_that_is_there_and_cannot_be_had_does_not_come_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    names = full(tmp_path, 5)
    cursor = Cursor(str(tmp_path), ["a"], PausedTasks(str(tmp_path)))
    given = []
    while (found := cursor.next()) is not None:
        given.append(found[1])
        clock[0] += queue.FRESH / 10
        cursor.missed(found[1], CROWDED)
    assert given == names


def test_a_bucket_is_not_listed_for_every_job_that_others_took(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    for number in range(50):
        put(tmp_path, "a", 5, job_id(1, number))
    listed, names = [0], files.names

    def slow(path: str) -> list[str]:
        if path.endswith("00000001"):
            listed[0] += 1
            clock[0] += 0.01
        return names(path)

    monkeypatch.setattr(files, "names", slow)
    cursor = Cursor(str(tmp_path), ["a"], PausedTasks(str(tmp_path)))
    for _ in range(50):
        found = cursor.next()
        assert found is not None
        cursor.missed(found[1], CROWDED)
    assert listed[0] == 1


def test_neighbours_come_from_the_same_bucket_only(tmp_path: Path) -> None:
    put(tmp_path, "a", 5, job_id(1, 0))
    put(tmp_path, "a", 5, job_id(1, 1))
    put(tmp_path, "a", 5, job_id(2, 0))
    cursor = Cursor(str(tmp_path), ["a"], PausedTasks(str(tmp_path)))
    found = cursor.next()
    assert found is not None
    place, _ = found
    assert cursor.next_of(place) == f"{job_id(1, 1)}.a0"
    assert cursor.next_of(place) is None
    assert cursor.next_of(bucket(str(tmp_path), "a", 5, job_id(2))) is None
    assert cursor.next() is not None


def test_empty_buckets_are_removed_once_no_submitter_can_be_on_its_way_to_them(tmp_path: Path) -> None:
    slots = [1, now() - 5, now(), now() + 1]
    for slot in slots:
        put(tmp_path, "a", 5, job_id(slot))
    cursor = Cursor(str(tmp_path), ["a"], PausedTasks(str(tmp_path)))
    drain(cursor)
    drain(cursor)
    assert sorted(os.listdir(tmp_path / "a")) == [f"5{slot:08x}" for slot in slots[2:]]


def test_the_directory_of_a_task_goes_with_its_last_bucket(tmp_path: Path) -> None:
    put(tmp_path, "a", 5, job_id(1))
    put(tmp_path, "b", 5, job_id(1))
    put(tmp_path, "b", 5, job_id(now()))
    cursor = Cursor(str(tmp_path), ["a", "b"], PausedTasks(str(tmp_path)))
    drain(cursor)
    drain(cursor)
    assert os.listdir(tmp_path) == ["b"]


def test_what_lies_among_the_buckets_and_is_none_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for name in ("0", "000000000", "README", "5zzz"):
        (tmp_path / "a" / name).touch()
    (tmp_path / "file").touch()
    put(tmp_path, "a", 5, job_id(1))
    assert drain(Cursor(str(tmp_path), ["a", "file"], PausedTasks(str(tmp_path)))) == [f"a 5 {job_id(1)}.a0"]


def test_a_job_gets_into_a_bucket_that_is_removed_again_and_again(farm: Farm) -> None:
    stop = threading.Event()

    def remove() -> None:
        while not stop.is_set():
            for place in queue.buckets(farm.spool.queue, ["echo"]):
                files.remove_empty(place.path)
            files.remove_empty(f"{farm.spool.queue}/echo")

    removers = [threading.Thread(target=remove) for _ in range(3)]
    for remover in removers:
        remover.start()
    try:
        ids = {farm.submit("echo", durable=False).id for _ in range(100)}
    finally:
        stop.set()
        for remover in removers:
            remover.join()
    assert {entry.id for entry, _ in farm.spool.queued()} == ids
