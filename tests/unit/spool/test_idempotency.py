"""Idempotency keys: what is sent twice is one job, whatever happened in between."""

from __future__ import annotations

import errno
import os
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from spoolfarm.errors import KeyConflict, SpoolFull, SpoolUnavailable
from spoolfarm.farm.farm import Farm
from spoolfarm.spool import files
from spoolfarm.spool.idempotency import IdempotencyKeys
from spoolfarm.spool.job import Job
from spoolfarm.spool.spool import Spool
from tests.support.spool_jobs import refuse


@pytest.fixture
def keys(tmp_path: Path) -> IdempotencyKeys:
    return IdempotencyKeys(str(tmp_path))


def new(**fields: Any) -> Job:
    return replace(Job("echo", {"a": 1, "b": [2]}, [b"picture", b"other"]), **fields)


def test_a_repeat_gets_the_first_jobs_id(keys: IdempotencyKeys, tmp_path: Path) -> None:
    first = new()
    assert keys.job_id("key", first) == first.id
    assert keys.job_id("key", new()) == first.id
    assert keys.job_id("key", new(params={"b": [2], "a": 1})) == first.id
    other = new()
    assert keys.job_id("other key", other) == other.id
    assert len(os.listdir(tmp_path)) == 2


@pytest.mark.parametrize(
    "other",
    [
        {"task": "ocr"},
        {"params": {"a": 2, "b": [2]}},
        {"images": [b"picture"]},
        {"images": [b"pictureother"]},
        {"images": [b"other", b"picture"]},
    ],
    ids=str,
)
def test_a_key_that_comes_with_another_request_is_refused(
    keys: IdempotencyKeys, other: dict[str, Any], tmp_path: Path
) -> None:
    first = new()
    keys.job_id("key", first)
    with pytest.raises(KeyConflict, match=f"used for job {first.id} with another request"):
        keys.job_id("key", new(**other))
    assert len(os.listdir(tmp_path)) == 1


@pytest.mark.parametrize(
    "key", ["../../etc/passwd", "", "a" * 5000, "\0", "日本", "a/b"], ids=lambda key: ascii(key[:9])
)
def test_any_text_is_a_key(keys: IdempotencyKeys, key: str, tmp_path: Path) -> None:
    job = new()
    assert keys.job_id(key, job) == job.id
    (name,) = os.listdir(tmp_path)
    assert len(name) == 64
    assert keys.job_id(key, new()) == job.id


def test_a_key_is_on_the_disk_before_its_job(keys: IdempotencyKeys, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    keys.job_id("key", new())
    assert len(synced) == 2  # the file, and its name


@pytest.mark.parametrize("call", ["write", "fsync", "link"])
def test_a_key_that_cannot_be_kept_refuses_the_job(
    call: str, keys: IdempotencyKeys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, call, refuse(errno.ENOSPC))
        with pytest.raises(SpoolUnavailable, match="cannot be kept"):
            keys.job_id("key", new())
    assert os.listdir(tmp_path) == []
    job = new()
    assert keys.job_id("key", job) == job.id


def test_old_keys_are_forgotten(keys: IdempotencyKeys, tmp_path: Path) -> None:
    keys.job_id("old", new())
    (old,) = os.listdir(tmp_path)
    os.utime(tmp_path / old, (time.time() - 200, time.time() - 200))
    young = new()
    keys.job_id("young", young)
    keys.expire(100)
    assert keys.job_id("young", new()) == young.id
    again = new()
    assert keys.job_id("old", again) == again.id


# With the farm.


def put(farm: Farm, number: int = 0) -> str:
    return farm.put(farm.prepare("echo", [b"picture"], {"n": number}, durable=True), key="key").id


def test_what_is_put_twice_is_one_job(farm: Farm) -> None:
    assert put(farm) == put(farm)
    assert farm.spool.count() == {"echo": 1}
    with pytest.raises(KeyConflict):
        put(farm, 1)
    assert farm.spool.count() == {"echo": 1}


def test_a_crash_between_key_and_job_is_made_good_by_the_repeat(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    class Crash(BaseException):
        pass

    def crash(spool: Spool, job: Job) -> None:
        raise Crash

    with monkeypatch.context() as patch:
        patch.setattr(Spool, "put", crash)
        with pytest.raises(Crash):
            put(farm)
    assert farm.spool.count() == {}
    job_id = put(farm)
    assert farm.spool.find(job_id) is not None
    assert put(farm) == job_id
    assert farm.spool.count() == {"echo": 1}


def test_a_crash_in_the_middle_of_writing_the_job_is_made_good_by_the_repeat(
    farm: Farm, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Crash(BaseException):
        pass

    def crash(path: str, target: str) -> None:
        raise Crash

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", crash)
        with pytest.raises(Crash):
            put(farm)
    assert len(os.listdir(farm.spool.tmp)) == 1
    put(farm)
    assert farm.spool.count() == {"echo": 1}


def test_a_full_spool_does_not_use_the_key_up(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    def full() -> None:
        raise SpoolFull

    with monkeypatch.context() as patch:
        patch.setattr(farm.admission, "take", full)
        with pytest.raises(SpoolFull):
            put(farm)
    put(farm)
    assert farm.spool.count() == {"echo": 1}


def test_repeats_at_once_are_one_job(farm: Farm) -> None:
    ids: list[str] = []
    start = threading.Barrier(10)

    def repeat() -> None:
        start.wait(10)
        ids.append(put(farm))

    threads = [threading.Thread(target=repeat) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(ids) == 10
    assert len(set(ids)) == 1
    assert farm.spool.count() == {"echo": 1}


def test_a_repeat_after_the_end_runs_nothing_again(farm: Farm) -> None:
    job_id = put(farm)
    farm.cancel(job_id)
    assert put(farm) == job_id
    assert farm.record(job_id)["status"] == "cancelled"
    assert farm.spool.count().get("echo", 0) == 0


def test_a_key_whose_file_is_empty_is_a_conflict_and_no_crash(keys: IdempotencyKeys, tmp_path: Path) -> None:
    keys.job_id("key", new())
    (name,) = os.listdir(tmp_path)
    files.write_atomic(str(tmp_path / name), b"")
    with pytest.raises(KeyConflict):
        keys.job_id("key", new())
