"""The operator's verbs, on a farm of the test's own, with a real worker where one is needed."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from spoolfarm.cli import VERBS, main
from spoolfarm.config import Settings, load
from spoolfarm.farm import Farm
from spoolfarm.job import Job, Result, State
from spoolfarm.lease import Lease, new_worker_id
from spoolfarm.overview import duration
from spoolfarm.tasks import Context, Params, Task
from tests.running import ROOT, until

#: A job id of January 1970, some seconds after it began.
OLD_ID = f"{10**10:016x}00000000"


class Page(Task):
    """Answers with a text, as ocr does, or fails when asked to."""

    class Wanted(Params):
        """The text, or nothing."""

        text: str = ""

    Params = Wanted
    min_images = 0
    pictures = False

    def run(self, batch: Sequence[Job], context: Context) -> list[Any]:
        if not batch[0].params["text"]:
            raise ValueError("the page is empty")
        return [{"text": batch[0].params["text"] + b"".join(batch[0].images).decode()}]


class Reader(Task):
    """Stands in for the model that reads text."""

    def run(self, batch: Sequence[Job], context: Context) -> list[Any]:
        return [{"text": "line one\nline two"}]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Those of every test, and `page`."""
    tasks = "page=tests.unit.test_cli:Page,ocr=tests.unit.test_cli:Reader"
    return load({**settings.environment(), "FARM_TASKS": tasks, "FARM_ENABLE": "echo,ocr,page"})


@pytest.fixture(autouse=True)
def _here(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command line finds the farm of the test."""
    for name in [name for name in os.environ if name.startswith("FARM_")]:
        monkeypatch.delenv(name)
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def worker(farm: Farm) -> Iterator[subprocess.Popen[bytes]]:
    """A real worker for all tasks."""
    command = [sys.executable, str(ROOT / "worker.py")]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL) as process:
        try:
            until(farm.workers, what="the worker")
            yield process
        finally:
            process.kill()


def job_of(farm: Farm, job_id: str) -> Job:
    """A queued job, as it is on the disk."""
    entry = farm.spool.find(job_id)
    assert entry is not None
    return Job.from_bytes(Path(entry.path).read_bytes())


def fail(farm: Farm, count: int = 1) -> list[str]:
    """Submit jobs and end them as a worker does whose task failed; return their ids, sorted."""
    ids = [farm.submit("echo").id for _ in range(count)]
    lease = Lease.take(farm.spool.workers, farm.spool.active, new_worker_id())
    cursor = farm.spool.cursor(["echo"])
    while claims := farm.spool.claim(lease, cursor, lambda _: count):
        for claim in claims:
            ended = Result(
                claim.job.id,
                "echo",
                State.FAILED,
                1,
                claim.job.created,
                None,
                time.time(),
                error="no luck",
                code="task_error",
            )
            farm.spool.finish(claim, ended)
    lease.end()
    return sorted(ids)


def succeed(farm: Farm, job_id: str, result: Any) -> None:
    """Make a result visible as a worker does."""
    now = time.time()
    farm.results.publish(Result(job_id, "echo", State.SUCCEEDED, 1, now, now, now, result), sync=False)


# submit


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


# status


@pytest.mark.usefixtures("worker")
def test_the_overview_shows_what_waits_runs_and_died(farm: Farm, capsys: pytest.CaptureFixture[str]) -> None:
    running = farm.submit("echo", seconds=60)
    until(lambda: running.status() == "running")
    farm.submit("page", text="x")
    assert main(["status"]) == 0
    lines = capsys.readouterr().out.splitlines()
    wid = farm.workers()[0]["worker"]
    assert lines[0] == "queued   page 1"
    assert lines[1].startswith(f"running  {running.id}  echo  for ")
    assert lines[1].endswith(f"worker {wid}")
    assert lines[2:4] == ["dead     0 letters", "workers  1 ready for echo, ocr, page"]
    assert main(["status", "--json"]) == 0
    seen = json.loads(capsys.readouterr().out)
    assert seen["queued"] == {"page": 1}
    assert [(job["id"], job["worker"]) for job in seen["running"]] == [(running.id, wid)]
    assert seen["disk"]["path"] == farm.spool.root


def test_the_overview_of_an_idle_farm_says_so(farm: Farm, capsys: pytest.CaptureFixture[str]) -> None:
    fail(farm)
    assert main(["status"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:4] == ["queued   nothing", "running  nothing", "dead     1 letter", "workers  0 ready"]


def test_status_of_jobs_shows_those_it_knows_and_names_the_others(
    farm: Farm, capsys: pytest.CaptureFixture[str]
) -> None:
    [failed], queued = fail(farm), farm.submit("page", text="x").id
    assert main(["status", failed, "0" * 24, queued]) == 1
    said = capsys.readouterr()
    first, second = said.out.splitlines()
    assert first.startswith(f"{failed}  failed     echo  ")
    assert first.endswith("  no luck")
    assert second.startswith(f"{queued}  queued     page  ")
    assert said.err.startswith("spoolfarm: no job '000000000000000000000000'")
    assert main(["status", failed, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == farm.record(failed)


def test_durations_are_short() -> None:
    assert [duration(seconds) for seconds in (0.04, 119, 120, 7199, 7200, 172800)] == [
        "0.0 s",
        "119.0 s",
        "2 min",
        "120 min",
        "2 h",
        "2 d",
    ]


# result


def test_result_prints_json_or_the_text(farm: Farm, capsys: pytest.CaptureFixture[str]) -> None:
    job_id = farm.submit("echo").id
    succeed(farm, job_id, {"text": "日本\nline two", "score": 1})
    assert main(["result", job_id]) == 0
    assert capsys.readouterr().out == '{"text": "日本\\nline two", "score": 1}\n'
    assert main(["result", job_id, "--text"]) == 0
    assert capsys.readouterr().out == "日本\nline two\n"


def test_asking_for_the_text_of_a_result_without_one_fails(farm: Farm, capsys: pytest.CaptureFixture[str]) -> None:
    job_id = farm.submit("echo").id
    succeed(farm, job_id, [1])
    assert main(["result", job_id, "--text"]) == 1
    assert capsys.readouterr().err == "spoolfarm: the result of task echo has no text (leave --text away)\n"


def test_the_result_of_a_failed_job_is_its_reason(farm: Farm, capsys: pytest.CaptureFixture[str]) -> None:
    [job_id] = fail(farm)
    assert main(["result", job_id]) == 1
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", f"spoolfarm: job {job_id} failed: no luck\n")


def test_a_dead_letter_whose_result_expired_still_counts_as_ended(
    farm: Farm, capsys: pytest.CaptureFixture[str]
) -> None:
    [job_id] = fail(farm)
    farm.results.remove(job_id)
    assert main(["result", job_id, "--wait", "60"]) == 1
    assert capsys.readouterr().err.startswith(f"spoolfarm: job {job_id} failed: ")


def test_a_result_that_is_not_there_yet_is_no_result(farm: Farm, capsys: pytest.CaptureFixture[str]) -> None:
    job_id = farm.submit("echo").id
    assert main(["result", job_id]) == 1
    assert capsys.readouterr().err.startswith(f"spoolfarm: job {job_id} is still queued")


@pytest.mark.usefixtures("worker")
def test_result_waits_for_the_end(farm: Farm, capsys: pytest.CaptureFixture[str]) -> None:
    job = farm.submit("echo", seconds=0.3)
    assert main(["result", job.id, "--wait", "20"]) == 0
    assert json.loads(capsys.readouterr().out)["params"] == {"seconds": 0.3}


# retry and cancel


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


# The process.


def spoolfarm(*words: str, **options: Any) -> subprocess.Popen[str]:
    """The installed command."""
    command = [str(Path(sys.executable).parent / "spoolfarm"), *words]
    return subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)


def test_ctrl_c_ends_a_wait_quietly_with_130_and_the_job_goes_on(farm: Farm) -> None:
    with spoolfarm("submit", "echo", "--wait") as process:
        [job] = until(farm.jobs, what="the job to be queued")
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=20) == ("", "")
        assert process.returncode == 130
    assert farm.record(job["id"])["status"] == "queued"


def test_a_reader_that_goes_away_is_no_traceback(farm: Farm) -> None:
    job_id = farm.submit("echo").id
    succeed(farm, job_id, "x" * 200_000)
    with spoolfarm("result", job_id) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(1)
        process.stdout.close()
        assert process.wait(20) == 1
        assert process.stderr.read() == ""


def test_help_loads_nothing_heavy() -> None:
    check = """
import sys
from spoolfarm.cli import VERBS, main
try:
    main(["--help"])
except SystemExit:
    print([name for name in ("torch", "cv2", "numpy", "PIL", "pydantic", "flask", "filelock") if name in sys.modules])
"""
    said = subprocess.check_output([sys.executable, "-c", check], cwd=ROOT, text=True, timeout=60)
    assert said.splitlines()[-1] == "[]"


# The page about it.


@pytest.mark.usefixtures("worker")
def test_the_examples_of_the_page_run(tmp_path: Path) -> None:
    pillow = pytest.importorskip("PIL.Image")
    pillow.new("RGB", (40, 30)).save(tmp_path / "scan.jpg")
    page = (ROOT / "docs/cli.md").read_text()
    program = "\n".join(re.findall(r"```sh\n(.*?)```", page, re.DOTALL))
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    said = subprocess.check_output(
        ["bash", "-euc", program],
        cwd=tmp_path,
        env={**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)},
        text=True,
        timeout=60,
    )
    assert said.count("line one\nline two") == 3
    assert said.count("removed ") + said.count("would remove ") == 3
    assert "spool can be written" in said


def test_the_page_has_a_section_for_every_verb() -> None:
    page = (ROOT / "docs/cli.md").read_text()
    assert sorted(re.findall(r"^## (\w+)", page, re.MULTILINE)) == sorted(VERBS)
