"""Results and logs: each answer appears once and whole, and a log line never costs a job."""

from __future__ import annotations

import errno
import json
import logging
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from spoolfarm.spool import files
from spoolfarm.spool.job import Result, State, new_id
from spoolfarm.spool.results import Results
from tests.support.running_farm import until


@pytest.fixture
def results(tmp_path: Path) -> Iterator[Results]:
    made = Results(str(tmp_path))
    yield made
    made.close()


def result(job_id: str, value: Any = None) -> Result:
    return Result(job_id, "echo", State.SUCCEEDED, 1, 1.0, 2.0, 3.0, value)


def aged(path: Path, seconds: float) -> None:
    os.utime(path, (time.time() - seconds, time.time() - seconds))


def old_id(seconds: float) -> str:
    return f"{int((time.time() - seconds) * 1e9):016x}{os.urandom(4).hex()}"


# Results.


def test_the_first_result_stays_and_a_late_one_changes_nothing(results: Results, tmp_path: Path) -> None:
    job_id = new_id()
    assert results.get(job_id) is None
    assert not results.exists(job_id)
    assert results.publish(result(job_id, "first"), sync=True) is True
    assert results.publish(result(job_id, "second"), sync=False) is False
    record = results.get(job_id)
    assert record is not None
    assert record["result"] == "first"
    assert results.exists(job_id)
    assert sorted(os.listdir(tmp_path)) == [f"{job_id}.json", "index", "tmp"]
    assert not os.listdir(tmp_path / "tmp")


def test_of_many_who_publish_at_once_one_wins(results: Results) -> None:
    job_id = new_id()
    won: list[int] = []
    start = threading.Barrier(8)

    def publish(number: int) -> None:
        start.wait(10)
        if results.publish(result(job_id, number), sync=False):
            won.append(number)

    threads = [threading.Thread(target=publish, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    record = results.get(job_id)
    assert record is not None
    assert won == [record["result"]]


def test_only_a_promised_result_is_synced(results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    results.publish(result(new_id()), sync=False)
    assert not synced
    results.publish(result(new_id()), sync=True)
    assert len(synced) == 2  # the file, and its name


def test_a_result_that_json_cannot_say_leaves_nothing(results: Results, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        results.publish(result(new_id(), float("nan")), sync=False)
    assert os.listdir(tmp_path) == ["tmp"]
    assert not os.listdir(tmp_path / "tmp")


def test_a_result_that_does_not_fit_on_the_disk_leaves_nothing(
    results: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space"):
        results.publish(result(new_id()), sync=False)
    assert os.listdir(tmp_path) == ["tmp"]
    assert not os.listdir(tmp_path / "tmp")


@pytest.mark.parametrize("torn", [b"", b"\0" * 200, b'{"id": "1', b"\xff"], ids=repr)
def test_a_result_that_a_power_cut_tore_is_no_result(results: Results, tmp_path: Path, torn: bytes) -> None:
    job_id = new_id()
    (tmp_path / f"{job_id}.json").write_bytes(torn)
    assert results.get(job_id) is None
    record = results.wait(job_id, 0.01)  # who waits for it learns that, and does not wait for ever
    assert record is not None
    assert (record["status"], record["code"]) == ("failed", "damaged")
    assert f"{job_id}.json is damaged" in record["error"]


def test_a_waiting_thread_gets_the_result_when_it_appears(results: Results) -> None:
    job_id = new_id()
    got: list[Any] = []
    waiter = threading.Thread(target=lambda: got.append(results.wait(job_id, 30)))
    waiter.start()
    until(lambda: results._arrivals._waiting)
    results.publish(result(job_id, 7), sync=False)
    waiter.join(20)
    assert got[0]["result"] == 7
    assert results.wait(new_id(), 0.01) is None


def test_whoever_waits_for_several_gets_those_that_have_ended(
    results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = results.watch()
    ids = [new_id() for _ in range(3)]
    results.publish(result(ids[0]), sync=False)
    results.publish(result(new_id()), sync=False)
    assert [record["id"] for record in results.arrived(watch, ids)] == [ids[0]]
    # An event that was lost: after a moment of quiet, all are looked for.
    monkeypatch.setattr("spoolfarm.spool.results.RESCAN", 0.01)
    results.publish(result(ids[1]), sync=False)
    watch.wait(5)
    assert [record["id"] for record in results.arrived(watch, ids[1:])] == [ids[1]]
    assert results.arrived(watch, ids[2:]) == []
    watch.close()


def test_who_waits_for_several_looks_for_none_when_a_job_only_says_something(
    results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = results.watch()
    looked: list[str] = []
    monkeypatch.setattr(results, "told", looked.append)
    waiting = new_id()
    results.write_log(waiting, progress=0.5)
    assert results.arrived(watch, [waiting, new_id()]) == []
    assert looked == []
    watch.close()


def test_only_names_of_ours_are_listed(results: Results, tmp_path: Path) -> None:
    job_id = new_id()
    results.publish(result(job_id), sync=False)
    for name in ("README.md", "x.json", f"{job_id}.json.bak", f"{job_id}.log", f"{job_id.upper()}Z.json"):
        (tmp_path / name).touch()
    assert results.ids() == [job_id]


def test_a_forgotten_result_takes_its_log_along(results: Results, tmp_path: Path) -> None:
    job_id = new_id()
    results.write_log(job_id, log="line")
    results.publish(result(job_id), sync=False)
    assert results.remove(job_id) is True
    assert os.listdir(tmp_path) == ["tmp"]
    assert results.remove(job_id) is False


# Logs.


def said(lines: list[dict[str, Any]]) -> list[Any]:
    return [line.get("log", line.get("progress")) for line in lines]


def test_a_log_is_read_in_order_and_from_where_one_was(results: Results) -> None:
    job_id = new_id()
    assert results.read_log(job_id) == []
    results.write_log(job_id, log="one\n二")
    results.write_log(job_id, progress=0.5)
    first, second = results.read_log(job_id)
    assert said([first, second]) == ["one\n二", 0.5]
    assert abs(first["at"] - time.time()) < 60
    results.write_log(job_id, log="three")
    assert said(results.read_log(job_id, first["next"])) == [0.5, "three"]
    assert results.read_log(job_id, results.read_log(job_id)[-1]["next"]) == []


def test_half_a_line_is_not_read_until_it_is_whole(results: Results, tmp_path: Path) -> None:
    job_id = new_id()
    results.write_log(job_id, log="one")
    path = str(tmp_path / f"{job_id}.log")
    line = json.dumps({"at": 1, "log": "two"}).encode() + b"\n"
    files.append(path, line[:10])
    (first,) = results.read_log(job_id)
    files.append(path, line[10:])
    assert said(results.read_log(job_id, first["next"])) == ["two"]


@pytest.mark.parametrize("torn", [b'{"at": 1, "lo', b"\0" * 100, b"5\n", b"null\n", b"\n\n", b"\xff\n"], ids=repr)
def test_a_damaged_line_costs_itself_and_the_next_and_no_more(results: Results, tmp_path: Path, torn: bytes) -> None:
    job_id = new_id()
    results.write_log(job_id, log="before")
    files.append(str(tmp_path / f"{job_id}.log"), torn)
    results.write_log(job_id, log="next")
    results.write_log(job_id, log="after")
    lines = results.read_log(job_id)
    assert said(lines) in (["before", "after"], ["before", "next", "after"])
    assert results.read_log(job_id, lines[-1]["next"]) == []
    assert lines[-1]["next"] == (tmp_path / f"{job_id}.log").stat().st_size


@pytest.mark.parametrize("text", ["half \ud800", "file\udcff.png", "\0", "\u2028"], ids=ascii)
def test_any_line_can_be_logged(results: Results, text: str) -> None:
    job_id = new_id()
    results.write_log(job_id, log=text)
    results.write_log(job_id, log="next")
    assert len(results.read_log(job_id)) == 2


def test_a_line_that_does_not_fit_on_the_disk_is_lost_with_a_warning(
    results: Results, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(descriptor: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    job_id = new_id()
    with caplog.at_level(logging.WARNING):
        results.write_log(job_id, log="line")
    assert "log line lost" in caplog.text
    assert job_id in caplog.text


def test_a_follower_sees_each_line_then_the_record(results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spoolfarm.spool.results.FOLLOW", 0.01)
    job_id = new_id()
    events = results.follow(job_id)
    assert next(events) is None
    results.write_log(job_id, log="one")
    results.write_log(job_id, log="two")
    first, second = next(events), next(events)
    assert first is not None
    assert second is not None
    assert said([first, second]) == ["one", "two"]
    assert next(events) is None
    results.write_log(job_id, log="three")
    results.publish(result(job_id, "done"), sync=False)
    third = next(events)
    assert third is not None
    assert third["log"] == "three"
    last = next(events)
    assert last is not None
    assert last["record"]["result"] == "done"
    assert list(events) == []
    again = list(results.follow(job_id, second["next"]))
    assert [sorted(event or {}) for event in again] == [["at", "log", "next"], ["record"]]


# Expiry.


def test_a_result_expires_when_both_its_file_and_its_id_are_old(results: Results, tmp_path: Path) -> None:
    ids = {"both": old_id(200), "only the id": old_id(200), "only the file": new_id(), "neither": new_id()}
    for case, job_id in ids.items():
        results.publish(result(job_id), sync=False)
        results.write_log(job_id, log="line")
        if case in ("both", "only the file"):
            aged(tmp_path / f"{job_id}.json", 200)
            aged(tmp_path / f"{job_id}.log", 200)
    assert results.expire(100) == 1
    left = {ids[case] for case in ("only the id", "only the file", "neither")}
    assert set(results.ids()) == left
    assert {name[:24] for name in os.listdir(tmp_path) if name.endswith(".log")} == left


def test_what_is_not_ours_never_expires(results: Results, tmp_path: Path) -> None:
    job_id = old_id(10_000)
    names = {"README.md", "notes.json", f"{job_id}.txt", f"{job_id}.json.bak", f"{job_id}1.json"}
    for name in names:
        (tmp_path / name).touch()
        aged(tmp_path / name, 10_000)
    (tmp_path / job_id).mkdir()
    assert results.expire(1) == 0
    assert names | {job_id} <= set(os.listdir(tmp_path))


def test_what_was_being_written_an_hour_ago_is_swept(results: Results, tmp_path: Path) -> None:
    for name, age in (("old", 4000), ("young", 3000)):
        (tmp_path / "tmp" / name).touch()
        aged(tmp_path / "tmp" / name, age)
    results.expire(1)
    assert os.listdir(tmp_path / "tmp") == ["young"]


def test_what_cannot_be_removed_keeps_nothing_else_from_expiring(
    results: Results, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stuck, job_id = old_id(300), old_id(200)
    (tmp_path / f"{stuck}.json").mkdir()
    results.publish(result(job_id), sync=False)
    for each in (stuck, job_id):
        aged(tmp_path / f"{each}.json", 200)
    assert results.expire(100) == 1
    assert not results.exists(job_id)
    assert f"{stuck}.json not removed" in caplog.text


def test_a_scratch_directory_lives_as_long_as_a_result_may(results: Results, tmp_path: Path) -> None:
    made = results.attachments.scratch(new_id())
    aged(made, 5000)
    results.expire(86400)
    assert made.is_dir()
    results.expire(10)
    assert not made.exists()
