"""Dead letters: each has its job and its reason, and goes when it is old."""

from __future__ import annotations

import errno
import json
import os
import time
from pathlib import Path

import pytest

from spoolfarm.spool import files
from spoolfarm.spool.deadletters import LAST_LINES, DeadLetters
from spoolfarm.spool.job import Result, State, new_id
from spoolfarm.spool.results import Results


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return Results(str(tmp_path / "results"))


@pytest.fixture
def dead(tmp_path: Path, results: Results) -> DeadLetters:
    made = DeadLetters(str(tmp_path / "dead"), results, str(tmp_path / "retry.lock"))
    made.make()
    return made


def job_file(tmp_path: Path, job_id: str) -> str:
    path = tmp_path / f"{job_id}.a3"
    path.write_text("the job")
    return str(path)


def test_a_letter_has_the_job_its_record_and_its_last_words(
    tmp_path: Path, dead: DeadLetters, results: Results
) -> None:
    job_id = new_id()
    for number in range(LAST_LINES + 5):
        results.write_log(job_id, log=f"line {number}")
    dead.bury(job_file(tmp_path, job_id), job_id, {"id": job_id, "error": "坏 \udcff"})
    assert dead.ids() == [job_id]
    assert Path(dead.path(job_id), f"{job_id}.a3").read_text() == "the job"
    reason = dead.reason(job_id)
    assert reason is not None
    assert reason["error"] == "坏 ?"
    assert [line["log"] for line in reason["log"]] == [f"line {number}" for number in range(5, LAST_LINES + 5)]
    assert len(os.listdir(dead.path(job_id))) == 2
    assert not os.path.exists(tmp_path / f"{job_id}.a3")


def test_no_letter_is_ever_without_its_reason(
    tmp_path: Path, dead: DeadLetters, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = new_id()
    path = job_file(tmp_path, job_id)

    def broken(source: str, data: bytes, *, sync: bool = False) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(files, "write_atomic", broken)
        with pytest.raises(OSError, match="No space"):
            dead.bury(path, job_id, {})
    assert os.path.exists(path)
    dead.bury(path, job_id, {"error": "second try"})
    assert json.loads(Path(dead.path(job_id), "reason.json").read_text())["error"] == "second try"


def test_the_reason_is_on_the_disk_before_the_job_is_here(
    tmp_path: Path, dead: DeadLetters, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = new_id()
    path = job_file(tmp_path, job_id)
    synced: list[str] = []

    def fsync(descriptor: int) -> None:
        assert os.path.exists(path)
        synced.append(os.path.basename(os.readlink(f"/proc/self/fd/{descriptor}")).partition(".")[0])

    monkeypatch.setattr(os, "fsync", fsync)
    dead.bury(path, job_id, {})
    assert synced == ["dead", "reason", job_id]


def test_there_is_no_reason_where_there_is_no_letter(dead: DeadLetters) -> None:
    job_id = new_id()
    assert dead.reason(job_id) is None
    os.mkdir(dead.path(job_id))
    assert dead.reason(job_id) is None


def test_a_letter_is_thrown_away_whole(tmp_path: Path, dead: DeadLetters) -> None:
    job_id = new_id()
    dead.bury(job_file(tmp_path, job_id), job_id, {})
    Path(dead.path(job_id), "reason.json.1234.tmp").touch()
    dead.remove(job_id)
    assert os.listdir(dead.root) == []
    dead.remove(job_id)


def test_old_letters_are_thrown_away_and_nothing_else(tmp_path: Path, dead: DeadLetters) -> None:
    old, young = new_id(), new_id()
    for job_id in (old, young):
        dead.bury(job_file(tmp_path, job_id), job_id, {})
    (tmp_path / "dead" / "notes").mkdir()
    letter = tmp_path / "dead" / old
    for path in (*letter.iterdir(), letter, tmp_path / "dead" / "notes"):
        os.utime(path, (time.time() - 200, time.time() - 200))
    assert dead.expire(100) == 1
    assert sorted(os.listdir(dead.root)) == [young, "notes"]
    assert dead.ids() == [young]


def test_a_letter_that_cannot_be_thrown_away_keeps_no_other(
    dead: DeadLetters, caplog: pytest.LogCaptureFixture
) -> None:
    stuck, other = "0" * 24, "1" * 24
    Path(dead.path(stuck), f"{stuck}.a3").mkdir(parents=True)
    Path(dead.path(other)).mkdir()
    Path(dead.path(other), f"{other}.a3").touch()
    for each in (stuck, other):
        os.utime(dead.path(each), (0, 0))
    assert dead.expire(100) == 1
    assert dead.ids() == [stuck]
    assert f"dead letter {stuck} not removed" in caplog.text


def test_a_letter_whose_job_may_be_coming_does_not_expire(dead: DeadLetters) -> None:
    """The clock may jump by days between the reason and the job of one burial."""
    coming = "0" * 24
    Path(dead.path(coming)).mkdir()
    Path(dead.path(coming), "reason.json").write_text("{}")
    os.utime(dead.path(coming), (0, 0))
    assert dead.expire(100) == 0
    assert dead.ids() == [coming]


def emptied(tmp_path: Path, dead: DeadLetters, age: float) -> str:
    """The id of a letter whose job was taken back *age* seconds ago by somebody who came no further."""
    job_id = new_id()
    path = job_file(tmp_path, job_id)
    dead.bury(path, job_id, {"error": "of before"})
    os.rename(f"{dead.path(job_id)}/{job_id}.a3", path)
    os.utime(dead.path(job_id), (time.time() - age, time.time() - age))
    return job_id


@pytest.fixture
def aside(tmp_path: Path) -> Path:
    made = tmp_path / "aside"
    made.mkdir()
    return made


def test_a_letter_without_a_job_goes_after_a_while_and_all_others_stay(
    tmp_path: Path, dead: DeadLetters, aside: Path
) -> None:
    old, young, full, half, bare = (*(emptied(tmp_path, dead, age) for age in (200, 50)), new_id(), new_id(), new_id())
    dead.bury(job_file(tmp_path, full), full, {})
    for job_id, names in ((half, ["reason.json", "reason.json.12345678.tmp"]), (bare, [])):
        Path(dead.path(job_id)).mkdir()
        for name in names:
            Path(dead.path(job_id), name).touch()
    for job_id in (full, half, bare):
        os.utime(dead.path(job_id), (time.time() - 200, time.time() - 200))
    dead.tidy(str(aside), 100)
    assert sorted(dead.ids()) == sorted([young, full])
    assert dead.reason(full) == {"log": []}
    assert (tmp_path / f"{old}.a3").exists()
    assert os.listdir(aside) == []


def test_a_job_that_is_buried_while_its_empty_letter_goes_keeps_its_reason(
    tmp_path: Path, dead: DeadLetters, aside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = emptied(tmp_path, dead, 200)
    remove_empty = files.remove_empty

    def late(path: str) -> None:
        os.rename(tmp_path / f"{job_id}.a3", f"{path}/{job_id}.a3")  # the end of a burial that has written its reason
        remove_empty(path)

    monkeypatch.setattr(files, "remove_empty", late)
    dead.tidy(str(aside), 100)
    assert dead.ids() == [job_id]
    assert dead.reason(job_id) == {"error": "of before", "log": []}
    assert sorted(os.listdir(dead.path(job_id))) == [f"{job_id}.a3", "reason.json"]
    assert os.listdir(aside) == []


@pytest.mark.parametrize("kept", [True, False], ids=["with its result", "without a result"])
def test_a_letter_whose_reason_went_with_a_process_that_was_killed_gets_it_anew(
    tmp_path: Path, dead: DeadLetters, results: Results, aside: Path, kept: bool
) -> None:
    failed = Result(new_id(), "echo", State.FAILED, 1, 1.0, 2.0, 3.0, error="no luck", code="task_error")
    if kept:
        results.publish(failed, sync=False)
    dead.bury(job_file(tmp_path, failed.id), failed.id, failed.record())
    os.rename(f"{dead.path(failed.id)}/reason.json", aside / "taken")  # for that of the letter before
    os.utime(dead.path(failed.id), (time.time() - 200, time.time() - 200))
    dead.tidy(str(aside), 100)
    reason = dead.reason(failed.id)
    assert reason is not None
    assert (reason["id"], reason["status"]) == (failed.id, "failed")
    assert reason["error"] == ("no luck" if kept else "its reason was lost with the process that was to run it again")
    assert os.listdir(aside) == ["taken"]


def test_a_burial_whose_letter_goes_meanwhile_fails_whole_and_can_be_done_again(
    tmp_path: Path, dead: DeadLetters, aside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = emptied(tmp_path, dead, 200)
    path = str(tmp_path / f"{job_id}.a3")
    sync = files.sync_directory

    def swept(letter: str) -> None:
        monkeypatch.setattr(files, "sync_directory", sync)
        os.utime(letter, (0, 0))
        dead.tidy(str(aside), 100)

    monkeypatch.setattr(files, "sync_directory", swept)
    with pytest.raises(FileNotFoundError):
        dead.bury(path, job_id, {"error": "of now"})
    assert os.path.exists(path)
    dead.bury(path, job_id, {"error": "of now"})
    assert dead.reason(job_id) == {"error": "of now", "log": []}
