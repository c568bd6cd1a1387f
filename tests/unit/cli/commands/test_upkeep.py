"""`spoolfarm retry`, `cancel`, `purge` and `doctor`."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from spoolfarm.cli.main import main
from spoolfarm.farm.farm import Farm
from spoolfarm.spool.job import Result, State
from tests.support.command_tasks import OLD_ID, fail, succeed
from tests.support.running_farm import until


def test_retry_queues_the_letters_named_and_with_all_the_rest(farm: Farm, capsys: pytest.CaptureFixture[str]) -> None:
    first, second, third = fail(farm, 3)
    assert main(["retry", first, "0" * 24]) == 1
    said = capsys.readouterr()
    assert said.out == f"{first} queued\n"
    assert said.err == "spoolfarm: no dead letter '000000000000000000000000'\n"
    assert [farm.record(each)["status"] for each in (first, second, third)] == ["queued", "failed", "failed"]
    assert main(["retry", "--all"]) == 0
    assert capsys.readouterr().out == f"{second} queued\n{third} queued\n"
    assert farm.spool.dead.ids() == []


def test_cancel_ends_a_queued_job_at_once(farm: Farm, capsys: pytest.CaptureFixture[str]) -> None:
    job = farm.submit("echo")
    assert main(["cancel", job.id]) == 0
    assert capsys.readouterr().out == f"{job.id} cancelled\n"
    assert job.status() == "cancelled"
    assert main(["cancel", job.id]) == 1
    assert capsys.readouterr().err == f"spoolfarm: job {job.id} has ended already\n"


@pytest.mark.usefixtures("worker")
def test_cancel_all_ends_what_runs_and_what_waits(farm: Farm, capsys: pytest.CaptureFixture[str]) -> None:
    running = farm.submit("echo", seconds=60)
    until(lambda: running.status() == "running")
    waiting = farm.submit("echo")
    assert main(["cancel", "--all"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == [f"{running.id} will stop within seconds", f"{waiting.id} cancelled"]
    until(lambda: running.status() == "cancelled")


# purge


@pytest.fixture
def ended(farm: Farm) -> list[str]:
    """The ids of a success of 1970, a success of today and a failure of today."""
    succeed(farm, OLD_ID, "old")
    os.utime(f"{farm.results.root}/{OLD_ID}.json", (0, 0))
    today = farm.submit("echo").id
    [failed] = fail(farm)  # its worker ends the job of today as well
    farm.results.remove(today)
    farm.spool.dead.remove(today)
    succeed(farm, today, "new")
    return [OLD_ID, today, failed]


@pytest.mark.parametrize(
    ("words", "said", "results", "dead"),
    [
        (["--results"], "removed 3 results and 0 dead letters", 0, 1),
        (["--dead"], "removed 0 results and 1 dead letter", 3, 0),
        (["--results", "--dead"], "removed 3 results and 1 dead letter", 0, 0),
        (["--older-than", "0"], "removed 3 results and 1 dead letter", 0, 0),
        (["--older-than", "1h"], "removed 1 result and 0 dead letters", 2, 1),
        (["--older-than", "36500d"], "removed 0 results and 0 dead letters", 3, 1),
        (["--results", "--dry-run"], "would remove 3 results and 0 dead letters", 3, 1),
    ],
)
@pytest.mark.usefixtures("ended")
def test_purge_removes_what_was_asked_for_and_says_so(
    farm: Farm, capsys: pytest.CaptureFixture[str], words: list[str], said: str, results: int, dead: int
) -> None:
    assert main(["purge", *words]) == 0
    assert capsys.readouterr().out == f"{said}\n"
    assert (len(farm.results.ids()), len(farm.spool.dead.ids())) == (results, dead)


def test_a_young_job_with_an_old_file_is_kept(farm: Farm) -> None:
    job_id = farm.submit("echo").id
    succeed(farm, job_id, 1)
    os.utime(f"{farm.results.root}/{job_id}.json", (0, 0))
    assert main(["purge", "--older-than", "1h"]) == 0
    assert farm.results.exists(job_id)


def test_purge_touches_nothing_that_is_not_ours_and_no_job_that_has_not_ended(farm: Farm) -> None:
    queued = farm.submit("echo")
    strangers = [Path(farm.results.root, name) for name in ("notes.json", "inbox", f"{OLD_ID}.json.bak")]
    strangers.append(Path(farm.spool.dead.root, "mine"))
    for stranger in strangers:
        stranger.write_text("keep me")
        os.utime(stranger, (0, 0))
    assert main(["purge", "--older-than", "0"]) == 0
    assert all(stranger.read_text() == "keep me" for stranger in strangers)
    assert queued.status() == "queued"


def test_purge_removes_the_files_and_the_log_of_a_result_with_it(farm: Farm) -> None:
    job_id, kept = farm.submit("echo").id, farm.submit("echo").id
    for each in (job_id, kept):
        now = time.time()
        done = Result(each, "echo", State.SUCCEEDED, 1, now, now, now, 1, files={"a.png": b"png"})
        farm.results.publish(done, sync=False)
        farm.results.write_log(each, log="line")
    os.utime(f"{farm.results.root}/{kept}.json", (now + 999, now + 999))
    assert main(["purge", "--results", "--older-than", "0", "--dry-run"]) == 0
    assert farm.results.file(job_id, "a.png").exists()
    assert main(["purge", "--results", "--older-than", "0"]) == 0
    there = sorted(path.name for path in Path(farm.results.root).iterdir() if path.name != "tmp")
    assert there == [kept, f"{kept}.json", f"{kept}.log"]


def test_purge_leaves_alone_what_the_hot_folder_answered_and_what_is_being_made(farm: Farm) -> None:
    keep = [Path(farm.results.root, name) for name in ("inbox/ocr/scan.jpg.json", f"tmp/{OLD_ID}.1", f"{OLD_ID}.log")]
    for path in keep:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("keep me")
        os.utime(path, (0, 0))
    assert main(["purge", "--older-than", "0"]) == 0
    assert all(path.read_text() == "keep me" for path in keep)


def test_what_cannot_be_purged_is_named_and_the_rest_goes(farm: Farm, capsys: pytest.CaptureFixture[str]) -> None:
    bad, good = (farm.submit("echo").id for _ in range(2))
    Path(farm.results.root, f"{bad}.json").mkdir()
    succeed(farm, good, 1)
    assert main(["purge", "--results"]) == 1
    said = capsys.readouterr()
    assert said.out == "removed 1 result and 0 dead letters\n"
    assert f"{bad}.json: Is a directory" in said.err
    assert not farm.results.exists(good)


# doctor


def test_the_doctor_ends_with_1_when_something_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FARM_TASKS", "page=tests.unit.nowhere:Page")
    assert main(["doctor"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert all(line[:6] in ("ok    ", "warn  ", "FAIL  ") for line in lines)
    assert [line for line in lines if line.startswith("FAIL")] == [
        line for line in lines if "tests.unit.nowhere" in line
    ]


@pytest.mark.usefixtures("farm")
def test_the_doctor_lets_a_farm_without_a_launcher_pass_with_a_warning(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json"]) == 0
    findings = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {finding["level"] for finding in findings} <= {"ok", "warn"}
    [launcher] = [finding for finding in findings if finding["check"] == "launcher"]
    assert launcher["level"] == "warn"
    assert launcher["advice"]
