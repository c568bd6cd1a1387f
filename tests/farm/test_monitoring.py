"""What an operator sees of a farm from outside: the log for programs, and counts that survive every death."""

from __future__ import annotations

import json
import os
import signal
import urllib.request
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import pytest

from spoolfarm.farm.farm import Farm
from spoolfarm.spool.job import Job
from spoolfarm.tasks import Context, Params, Task
from tests.support.metric_samples import figures
from tests.support.running_farm import RunningFarm, until

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


class Moody(Task):
    """Succeeds, fails, prints or dies, as it is told."""

    class Mood(Params):
        """What to do."""

        do: str = ""

    Params = Mood
    min_images = max_images = 0

    def run(self, batch: Sequence[Job], context: Context) -> list[Any]:
        match batch[0].params["do"]:
            case "print":
                print('{"time": "no", "log": true}', flush=True)  # noqa: T201
            case "raise":
                raise LookupError("no such\nthing")
            case "die":
                os.kill(os.getpid(), signal.SIGKILL)
        return [{"traceparent": batch[0].traceparent}]


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningFarm]:
    settings = {"FARM_TASKS": "moody=tests.farm.test_monitoring:Moody", "FARM_ENABLE": "moody,echo"}
    made = RunningFarm(
        tmp_path_factory.mktemp("seen"), FARM_LOG="json", FARM_WORKERS=1, FARM_MAX_ATTEMPTS=2, **settings
    )
    made.start()
    yield made
    made.stop()


def lines(farm: RunningFarm) -> list[dict[str, Any]]:
    return [json.loads(line) for line in farm.log().splitlines()]


def ends(farm: RunningFarm, job_id: str) -> list[dict[str, Any]]:
    """The log's lines about the end of a job, when there is one."""

    def found() -> list[dict[str, Any]]:
        return [line for line in lines(farm) if line.get("logger") == "spoolfarm.jobs" and line["id"] == job_id]

    until(found, what="the line")
    return found()


def metrics(farm: RunningFarm) -> dict[tuple[str, ...], float]:
    with urllib.request.urlopen(f"{farm.url}/metrics", timeout=20) as answer:
        return figures(answer.read().decode())


def submitted(farm: RunningFarm, do: str = "", **headers: str) -> dict[str, Any]:
    """A job that came by HTTP, when it has ended."""
    headers = {"Prefer": "wait=30", **headers}
    status, record = farm.post("/v1/jobs", {"task": "moody", "params": {"do": do}}, **headers)
    assert status == 200, record
    return dict(record)


def test_a_job_that_ended_is_one_line_with_the_request_and_the_trace(farm: RunningFarm) -> None:
    record = submitted(farm, **{"X-Request-Id": "client-7", "traceparent": TRACEPARENT})
    assert (record["request_id"], record["traceparent"]) == ("client-7", TRACEPARENT)
    assert record["result"] == {"traceparent": TRACEPARENT}, "a task can hand it on"
    [line] = ends(farm, record["id"])
    assert line["run_seconds"] == pytest.approx(record["finished"] - record["started"], abs=1e-5)
    assert line["queue_seconds"] == pytest.approx(record["started"] - record["created"], abs=1e-5)
    assert datetime.fromisoformat(line["time"]).timestamp() == pytest.approx(record["finished"], abs=5)
    told = {name: line[name] for name in ("level", "task", "source", "request_id", "trace_id", "attempts", "outcome")}
    assert told == {
        "level": "INFO",
        "task": "moody",
        "source": "http",
        "request_id": "client-7",
        "trace_id": TRACE,
        "attempts": 1,
        "outcome": "succeeded",
    }
    assert (line["code"], line["worker"]) == (None, record["worker"])
    assert line["process"].startswith("worker ")


NO_TRACES = ("", "no", TRACEPARENT.upper(), f"ff{TRACEPARENT[2:]}", f"00-{'0' * 32}-{'1' * 16}-01")


@pytest.mark.parametrize("traceparent", NO_TRACES)
def test_a_traceparent_that_is_none_is_left_out_and_harms_nothing(traceparent: str, farm: RunningFarm) -> None:
    record = submitted(farm, traceparent=traceparent)
    assert "traceparent" not in record
    assert record["request_id"]


def test_a_traceback_is_an_error_of_the_job_that_raised_it(farm: RunningFarm) -> None:
    record = submitted(farm, "raise", **{"X-Request-Id": "client-8"})
    [line] = ends(farm, record["id"])
    assert (line["outcome"], line["code"]) == ("failed", "task_error")
    [error] = [each for each in lines(farm) if "exception" in each and each.get("id") == record["id"]]
    assert (error["level"], error["request_id"]) == ("ERROR", "client-8")
    assert error["exception"].endswith("LookupError: no such\nthing")


def test_the_death_of_a_worker_names_its_job_and_is_counted(farm: RunningFarm) -> None:
    before = metrics(farm)
    record = submitted(farm, "die")
    assert record["code"] == "worker_died"
    [line] = ends(farm, record["id"])
    assert (line["outcome"], line["code"], line["attempts"]) == ("failed", "worker_died", 2)
    deaths = [each for each in lines(farm) if each["level"] == "ERROR" and record["id"] in each.get("jobs", ())]
    assert len(deaths) == 2
    assert all(record["id"] in each["message"] and each["reason"] == "killed" for each in deaths)
    after = metrics(farm)
    lost = "farm_job_attempts_lost_total", "killed", "moody"
    restarts = "farm_worker_restarts_total", "general", "killed"
    assert (after[lost] - before.get(lost, 0), after[restarts] - before.get(restarts, 0)) == (2, 2)
    until(lambda: farm.farm.workers(), what="a worker")


def test_what_a_task_prints_is_passed_on_as_a_line_of_json_of_its_worker(farm: RunningFarm) -> None:
    submitted(farm, "print")
    [line] = [each for each in lines(farm) if each["message"] == '{"time": "no", "log": true}']
    assert (line["level"], line["process"][:6]) == ("INFO", "worker")


def test_jobs_are_counted_whoever_submits_them_and_whoever_dies(farm: RunningFarm) -> None:
    cli = Farm(settings=farm.farm.settings, source="cli")
    cli.call("echo", timeout=30)
    farm.farm.call("echo", timeout=30)
    cancel_queued(farm, cli)
    until(lambda: metrics(farm).get(("farm_jobs_total", "cancelled", "cli", "echo")), what="the cancelled job")
    now = metrics(farm)
    for source in ("cli", "python"):
        assert now["farm_jobs_total", "succeeded", source, "echo"] == 1
    assert now["farm_job_run_seconds_count", "echo"] == 2
    farm.kill((*farm.front(), *farm.workers()))
    until(lambda: farm.farm.workers() and farm.get("/ready")[0] == 200, 60, what="the farm to come back")
    later = metrics(farm)
    counted = [key for key in now if key[0].startswith(("farm_job", "farm_worker_restarts"))]
    assert [key for key in counted if key[0] != "farm_jobs_queued" and later.get(key, 0) < now[key]] == []
    cli.close()


def cancel_queued(farm: RunningFarm, cli: Farm) -> None:
    """Cancel a job that no worker has taken yet."""
    [pid] = farm.workers()
    os.kill(pid, signal.SIGSTOP)
    try:
        cli.submit("echo").cancel()
    finally:
        os.kill(pid, signal.SIGCONT)


def test_every_line_of_the_log_is_json_with_a_true_time_and_level(farm: RunningFarm) -> None:
    for line in lines(farm):
        assert datetime.fromisoformat(line["time"]).tzinfo is not None
        assert line["level"] in ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
        assert line["process"]
        assert isinstance(line["message"], str)
    ended = [line["id"] for line in lines(farm) if line.get("logger") == "spoolfarm.jobs"]
    assert len(ended) == len(set(ended)), "one line a job"
