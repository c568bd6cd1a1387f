"""`spoolfarm status` and `result`: what is there, and what came of it."""

from __future__ import annotations

import json

import pytest

from spoolfarm.cli.main import main
from spoolfarm.farm.farm import Farm
from spoolfarm.spool.job import Result, State
from spoolfarm.units import duration
from tests.support.command_tasks import fail, succeed
from tests.support.running_farm import until


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
    dead = fail(farm, 7)
    assert main(["status"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == ["queued   nothing", "running  nothing", "dead     7 letters"]
    assert [line.split()[0] for line in lines[3:8]] == dead[:1:-1]
    assert all(line.endswith("  no luck") for line in lines[3:8])
    assert lines[8:10] == ["         ...; see `spoolfarm jobs --status failed`", "workers  0 ready"]
    assert main(["status", "--json"]) == 0
    letters = json.loads(capsys.readouterr().out)["dead_letters"]
    assert [(letter["id"], letter["error"]) for letter in letters] == [(job_id, "no luck") for job_id in dead[:1:-1]]


def test_status_of_jobs_shows_those_it_knows_and_names_the_others(
    farm: Farm, capsys: pytest.CaptureFixture[str]
) -> None:
    [failed], queued = fail(farm), farm.submit("page", text="x").id
    assert main(["status", failed, "0" * 24, queued]) == 1
    said = capsys.readouterr()
    first, *_, second, by = said.out.splitlines()
    assert by == "    sent by python"
    assert first.startswith(f"{failed}  failed     echo  ")
    assert first.endswith("  no luck")
    assert second.startswith(f"{queued}  queued     page  ")
    assert said.err.startswith("spoolfarm: no job '000000000000000000000000'")
    assert main(["status", failed, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == farm.record(failed)


def test_status_of_a_job_says_who_sent_it_how_long_it_took_and_what_was_lost(
    farm: Farm, capsys: pytest.CaptureFixture[str]
) -> None:
    lost = {
        "attempt": 1,
        "worker": "desk-1",
        "started": 100.5,
        "ended": 101.2,
        "reason": "killed by signal 9 (SIGKILL)",
    }
    ended = Result("1" * 24, "echo", State.SUCCEEDED, 2, 100.0, 101.3, 103.8, {}, source="http", request_id="scan-42")
    farm.results.publish(ended._replace(worker="desk-2", lost=[lost]), sync=False)
    assert main(["status", ended.id]) == 0
    first, *story = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{ended.id}  succeeded  echo  ")
    assert story == [
        "    sent by http, request scan-42",
        "    attempt 1 was lost after 0.7 s, with worker desk-1: killed by signal 9 (SIGKILL)",
        "    began after 1.3 s, ran 2.5 s, with worker desk-2",
    ]


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
