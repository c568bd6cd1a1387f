"""`spoolfarm submit`: jobs from the command line, and waiting for them."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from spoolfarm.cli.main import main
from spoolfarm.farm.farm import Farm
from tests.support.command_tasks import job_of


def test_submit_prints_the_id_of_a_queued_job(farm: Farm, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["submit", "echo"]) == 0
    job_id = capsys.readouterr().out.strip()
    assert farm.record(job_id)["status"] == "queued"
    assert job_of(farm, job_id).durable


def test_every_file_is_a_job_in_the_order_given(farm: Farm, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("b", "a"):
        (tmp_path / name).write_text(f"picture {name}")
    assert main(["submit", "echo", str(tmp_path / "b"), str(tmp_path / "a")]) == 0
    ids = capsys.readouterr().out.split()
    assert [job_of(farm, job_id).images[0] for job_id in ids] == [b"picture b", b"picture a"]


def test_a_dash_reads_standard_input(
    farm: Farm, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\xff\xd8 from a pipe")))
    assert main(["submit", "echo", "-"]) == 0
    assert job_of(farm, capsys.readouterr().out.strip()).images == [b"\xff\xd8 from a pipe"]


def test_options_may_stand_between_the_files(farm: Farm, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
    assert main(["submit", "-p", "x=1", "echo", str(tmp_path / "a"), "--priority", "2", str(tmp_path / "b")]) == 0
    jobs = [job_of(farm, job_id) for job_id in capsys.readouterr().out.split()]
    assert [(job.images, job.params, job.priority) for job in jobs] == [([b"a"], {"x": 1}, 2), ([b"b"], {"x": 1}, 2)]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("x=0.5", 0.5),
        ("x=true", True),
        ('x={"a": [1]}', {"a": [1]}),
        ("x=3 apples", "3 apples"),
        ("x=a=b", "a=b"),
        ("x=", ""),
        ("x=NaN", "NaN"),
        ('x="7"', "7"),
    ],
)
def test_a_parameter_is_json_when_it_reads_as_json(
    farm: Farm, capsys: pytest.CaptureFixture[str], written: str, meant: Any
) -> None:
    assert main(["submit", "echo", "-p", written]) == 0
    assert job_of(farm, capsys.readouterr().out.strip()).params == {"x": meant}


def test_a_missing_file_is_named_and_the_others_are_submitted(
    farm: Farm, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "there").write_text("x")
    assert main(["submit", "echo", str(tmp_path / "not there"), str(tmp_path / "there")]) == 1
    said = capsys.readouterr()
    assert said.err == f"spoolfarm: {tmp_path / 'not there'}: No such file or directory\n"
    assert farm.record(said.out.strip())["status"] == "queued"


def test_a_file_that_is_no_picture_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "notes.txt").write_text("milk, eggs")
    assert main(["submit", "ocr", str(tmp_path / "notes.txt")]) == 1
    assert capsys.readouterr().err.startswith(f"spoolfarm: {tmp_path / 'notes.txt'}: image: is not a picture")


def test_a_device_is_not_read_until_the_memory_is_full(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["submit", "echo", "/dev/zero"]) == 1
    assert "/dev/zero: is a device" in capsys.readouterr().err


def test_what_is_wrong_with_every_file_is_said_once(
    farm: Farm, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a").write_text("x")
    assert main(["submit", "echo", *[str(tmp_path / "a")] * 3, "-p", "seconds=-1"]) == 1
    assert capsys.readouterr().err.count("spoolfarm: params.seconds:") == 1
    assert not farm.spool.count()


def test_a_full_spool_ends_the_submitting_and_what_was_queued_is_shown(
    farm: Farm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a").write_text("x")
    monkeypatch.setenv("FARM_MAX_QUEUED", "2")
    assert main(["submit", "echo", *[str(tmp_path / "a")] * 9]) == 1
    said = capsys.readouterr()
    assert sorted(said.out.split()) == sorted(job["id"] for job in farm.jobs())
    assert len(said.out.split()) == 2
    assert said.err.startswith(f"spoolfarm: {tmp_path / 'a'}: 2 jobs are waiting; ")
    assert said.err.count("\n") == 1


def test_an_error_is_one_line_without_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["submit", "no-such-task"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("spoolfarm: no task is called 'no-such-task'; there are ")
    assert said.err.count("\n") == 1


def test_a_bad_setting_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("FARM_MAX_ATTEMPTS", "many")
    assert main(["status"]) == 1
    assert capsys.readouterr().err.startswith("spoolfarm: FARM_MAX_ATTEMPTS='many' is not allowed")


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["dance"],
        ["submit"],
        ["submit", "echo", "-p", "x"],
        ["submit", "echo", "--priority", "10"],
        ["result"],
        ["submit", "echo", "--wait", "scan.jpg"],
        ["submit", "echo", "--wait", "-1"],
        ["result", "x", "--wait"],
        ["retry"],
        ["retry", "x", "--all"],
        ["cancel"],
        ["purge"],
        ["purge", "--dry-run"],
        ["status", "--nope"],
        ["purge", "--older-than", "3 weeks"],
        ["purge", "--older-than", "-1"],
        ["submit", "echo", "--wait=nan"],
    ],
)
def test_bad_usage_exits_with_2_and_does_nothing(
    farm: Farm, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("usage: spoolfarm")
    assert not farm.spool.count()


@pytest.mark.usefixtures("worker")
def test_waiting_prints_the_result(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    assert main(["submit", "echo", str(tmp_path / "a"), "-p", "x=1", "--wait"]) == 0
    assert json.loads(capsys.readouterr().out) == {"params": {"x": 1}, "bytes": 5}


@pytest.mark.usefixtures("worker")
def test_a_text_is_printed_as_text_with_its_file_above_when_there_are_several(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["submit", "page", "-p", "text=one\ntwo", "--wait", "20"]) == 0
    assert capsys.readouterr().out == "one\ntwo\n"
    names = [str(tmp_path / name) for name in ("a", "b")]
    for name in names:
        Path(name).write_text(f" of {name[-1]}")
    assert main(["submit", "page", *names, "-p", "text=page", "--wait"]) == 0
    assert capsys.readouterr().out == f"==> {names[0]} <==\npage of a\n==> {names[1]} <==\npage of b\n"


@pytest.mark.usefixtures("worker")
def test_waiting_ends_with_1_when_a_job_fails_and_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["submit", "page", "--wait"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "failed: ValueError: the page is empty" in said.err


def test_waiting_too_short_ends_with_1_and_says_how_to_collect(farm: Farm, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["submit", "echo", "--wait", "0.05"]) == 1
    job_id = farm.jobs()[0]["id"]
    said = capsys.readouterr().err
    assert said == f"spoolfarm: job {job_id} is still queued (collect it later: spoolfarm result {job_id} --wait 60)\n"


@pytest.mark.usefixtures("worker")
def test_json_is_one_record_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = [str(tmp_path / name) for name in ("a", "b")]
    for name in names:
        Path(name).write_text("x")
    assert main(["submit", "echo", *names, "--json"]) == 0
    queued = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(job["file"], job["task"], job["status"]) for job in queued] == [(name, "echo", "queued") for name in names]
    assert main(["submit", "echo", *names, "--json", "--wait"]) == 0
    ended = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(job["file"], job["status"], job["result"]["bytes"]) for job in ended] == [
        (name, "succeeded", 1) for name in names
    ]
