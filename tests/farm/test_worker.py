"""`python worker.py`: a worker lives and dies, and its jobs do not die with it."""

from __future__ import annotations

import json
import math
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from spoolfarm.config import load
from spoolfarm.errors import InvalidParams, JobCancelled, JobFailed
from spoolfarm.farm.farm import Farm, FarmJob
from spoolfarm.spool.job import Job
from spoolfarm.spool.lease import alive
from spoolfarm.spool.watch import RESCAN
from spoolfarm.tasks import Context, Params, Task
from spoolfarm.worker.worker import BOOT_FAILED
from tests.farm.conftest import Start
from tests.support.running_farm import ROOT, until

# Tasks for the workers below, which know them by FARM_TASKS.


class Rude(Task):
    """Does what *how* says, and a task should not."""

    class How(Params):
        """What to do."""

        how: str

    Params = How
    min_images = 0

    def run(self, batch: Sequence[Job], context: Context) -> list[Any]:
        circle: list[Any] = []
        circle.append(circle)
        match batch[0].params["how"]:
            case "raise":
                raise LookupError("nothing there")
            case "raise what has no text":
                raise LookupError
            case "raise half a letter":
                raise LookupError("half \ud800")
            case "raise a farm error":
                raise InvalidParams("cannot be")
            case "give too few":
                return []
            case "give too many":
                return [1, 2]
            case "give nothing iterable":
                return None  # type: ignore[return-value]
            case "give a farm error":
                return [InvalidParams("this one cannot be")]
            case "give bytes":
                return [b"bytes"]
            case "give a set":
                return [{1}]
            case "give nan":
                return [[math.nan]]
            case "give half a letter":
                return ["\ud800"]
            case "give a circle":
                return [circle]
            case "give a tower":
                tower: list[Any] = []
                for _ in range(100_000):
                    tower = [tower]
                return [tower]
            case "give an object":
                return [object()]
        return ["fine"]


class Patient(Task):
    """Works until it is told to stop, and says that it has begun."""

    min_images = 0

    def run(self, batch: Sequence[Job], context: Context) -> list[Any]:
        context.log("begun")
        while not context.cancelled():
            time.sleep(0.01)
        raise JobCancelled("told to stop")


class Crowd(Task):
    """Says how many came together."""

    max_batch = 4
    min_images = 0

    def run(self, batch: Sequence[Job], context: Context) -> list[Any]:
        return [len(batch)] * len(batch)


class Broken(Task):
    """Has a model that is not there."""

    def setup(self) -> None:
        raise FileNotFoundError("no such model")

    def run(self, batch: Sequence[Job], context: Context) -> list[Any]:
        return [None for _ in batch]


TASKS = ",".join(f"{name.lower()}=tests.farm.test_worker:{name}" for name in ("Rude", "Patient", "Crowd", "Broken"))


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[Farm]:
    settings = {
        "FARM_SPOOL_DIR": str(tmp_path / "spool"),
        "FARM_RESULTS_DIR": str(tmp_path / "results"),
        "FARM_MIN_FREE_MB": "0",
        "FARM_TASKS": TASKS,
    }
    made = Farm(settings=load(settings))
    yield made
    made.close()


def nobody_left(farm: Farm) -> bool:
    """Whether nothing shows a worker, nor a job of one."""
    workers = [name for name in os.listdir(farm.spool.workers) if name not in ("suspects.lock", "cancel.lock")]
    return not workers and not os.listdir(farm.spool.active)


def running(job: FarmJob) -> bool:
    return job.status() == "running"


# Life and death.


def test_a_worker_answers(farm: Farm, start: Start) -> None:
    process = start().ready()
    assert farm.call("echo", b"picture", n=1, timeout=20) == {"params": {"n": 1}, "bytes": 7}
    (worker,) = farm.workers()
    assert worker["tasks"] == ["echo"]
    assert alive(farm.spool.workers, process.wid)


def test_a_worker_is_woken_by_the_bell_and_not_by_its_rescan(farm: Farm, start: Start) -> None:
    start().ready()
    times = []
    for _ in range(20):
        before = time.monotonic()
        farm.call("echo", timeout=20)
        times.append(time.monotonic() - before)
    assert sorted(times)[len(times) // 2] < RESCAN / 4


def test_a_job_put_while_the_worker_finishes_another_waits_for_no_rescan(farm: Farm, start: Start) -> None:
    start().ready()
    begin = time.monotonic()
    for number in range(200):  # each is put as soon as the result of the last is seen, when the worker is not idle yet
        farm.call("echo", timeout=20, n=number)
    assert time.monotonic() - begin < 200 * RESCAN / 4


def test_a_killed_worker_gives_its_jobs_back(farm: Farm, start: Start) -> None:
    first = start().ready()
    job = farm.submit("echo", seconds=1)
    until(lambda: farm.results.read_log(job.id))
    first.kill()
    assert farm.spool.reclaim({first.wid: "killed by signal 9 (SIGKILL)"}) == 1
    assert job.status() == "queued"
    start().ready()
    assert job.wait(20)["params"] == {"seconds": 1}
    assert job.record()["attempts"] == 2
    assert farm.results.read_log(job.id)[0].get("progress") is not None
    assert any("killed by signal 9" in line.get("log", "") for line in farm.results.read_log(job.id))


def test_a_worker_that_is_killed_every_time_ends_its_job_as_a_dead_letter(farm: Farm, start: Start) -> None:
    job = farm.submit("patient")
    for attempt in range(1, farm.spool.max_attempts + 1):
        process = start("patient")
        until(lambda: running(job))
        assert job.record()["attempts"] == attempt
        process.kill()
        farm.spool.reclaim({process.wid: "bang"})
    with pytest.raises(JobFailed, match="the worker died in every one of 3 attempts: bang") as caught:
        job.wait(5)
    assert caught.value.code == "worker_died"
    assert farm.spool.dead.ids() == [job.id]
    assert nobody_left(farm)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_that_is_told_to_end_ends_after_its_job_and_leaves_nothing(
    number: signal.Signals, farm: Farm, start: Start
) -> None:
    process = start().ready()
    job, later = farm.submit("echo", seconds=0.5), farm.submit("echo")
    until(lambda: running(job))
    process.signal(number)
    assert process.wait() == 0
    assert job.status() == "succeeded"
    assert later.status() == "queued"
    assert nobody_left(farm)
    assert farm.spool.reclaim() == 0


def test_a_worker_that_waits_ends_at_once_when_told_to(farm: Farm, start: Start) -> None:
    process = start().ready()
    process.signal(signal.SIGTERM)
    assert process.wait() == 0
    assert nobody_left(farm)


HELPER = """
import os, signal, subprocess, sys
command = [sys.executable, sys.argv[1], "--tasks", "echo", "--id", "w1", "--launcher", str(os.getpid())]
print(subprocess.Popen(command).pid, flush=True)
signal.pause()
"""


def test_a_worker_dies_with_the_launcher_that_started_it(farm: Farm, start: Start) -> None:
    helper = subprocess.Popen(
        [sys.executable, "-c", HELPER, str(ROOT / "worker.py")],
        env={**os.environ, "PYTHONPATH": str(ROOT), **farm.settings.environment()},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    with helper:
        assert helper.stdout is not None
        worker = os.pidfd_open(int(helper.stdout.readline()))
        try:
            until(farm.workers)
            job = farm.submit("echo", seconds=60)
            until(lambda: running(job))
            helper.kill()
            ended, _, _ = select.select([worker], [], [], 10)
            assert ended, "it lives on"
        finally:
            helper.kill()
            try:
                signal.pidfd_send_signal(worker, signal.SIGKILL)
            except ProcessLookupError:
                pass  # as it should be
            os.close(worker)
    until(lambda: not alive(farm.spool.workers, "w1"))
    assert farm.spool.reclaim() == 1
    assert job.status() == "queued"


def test_a_worker_whose_launcher_is_gone_before_it_looks_does_not_start(farm: Farm, start: Start) -> None:
    process = start("echo", "--launcher", str(os.getppid()))
    assert process.wait() == 1
    assert f"the launcher {os.getppid()} has gone" in process.log()
    assert nobody_left(farm)


def test_a_worker_makes_way_after_so_many_jobs(farm: Farm, start: Start) -> None:
    jobs = [farm.submit("echo", n=number) for number in range(5)]
    process = start("echo", FARM_RECYCLE_JOBS="3")
    assert process.wait() == 0
    assert [job.status() for job in jobs] == ["succeeded"] * 3 + ["queued"] * 2
    assert nobody_left(farm)
    start("echo", FARM_RECYCLE_JOBS="3").ready()
    assert jobs[4].wait(20)


def test_a_worker_makes_way_when_it_has_grown(farm: Farm, start: Start) -> None:
    job = farm.submit("echo")
    process = start("echo", FARM_RECYCLE_MB="1")
    assert process.wait() == 0
    assert job.status() == "succeeded"


def test_two_workers_share_the_work_and_each_job_runs_once(farm: Farm, start: Start) -> None:
    jobs = [farm.submit("echo", seconds=0.02, n=number) for number in range(40)]
    for worker in [start() for _ in range(2)]:
        worker.ready()
    assert [job.wait(30)["params"]["n"] for job in jobs] == list(range(40))
    assert {job.record()["attempts"] for job in jobs} == {1}


# Workers that cannot start.


@pytest.mark.parametrize(
    ("tasks", "settings", "message"),
    [
        ("nothing", {}, "no task is called 'nothing'"),
        ("echo", {"FARM_TASKS": "a=b"}, "FARM_TASKS='a=b' is not allowed"),
        ("gone", {"FARM_TASKS": "gone=no_such_module:Task"}, "cannot be imported"),
        ("echo", {"FARM_SPOOL_DIR": "/dev/null/spool"}, "Not a directory"),
    ],
)
def test_a_worker_that_cannot_start_says_why_and_takes_nothing(
    tasks: str, settings: dict[str, str], message: str, farm: Farm, start: Start
) -> None:
    job = farm.submit("echo")
    process = start(tasks, **settings)
    assert process.wait() == BOOT_FAILED
    (line,) = process.log().splitlines()
    assert line.startswith("worker.py: ")
    assert message in line
    assert job.record()["attempts"] == 0
    assert nobody_left(farm)


def test_a_worker_whose_model_is_missing_burns_no_attempt(farm: Farm, start: Start) -> None:
    job = farm.put(Job("broken", durable=True))
    process = start("broken")
    assert process.wait() == BOOT_FAILED
    assert "task broken is disabled: its setup failed: FileNotFoundError: no such model" in process.log()
    farm.spool.reclaim()
    assert (job.status(), job.record()["attempts"]) == ("queued", 0)
    assert nobody_left(farm)


def test_a_worker_works_without_the_task_whose_model_is_missing(farm: Farm, start: Start) -> None:
    process = start("echo,broken,gone", FARM_TASKS=f"{TASKS},gone=no_such_module:Task").ready()
    assert farm.call("echo", timeout=20)
    assert [worker["tasks"] for worker in farm.workers()] == [["echo"]]
    assert "task broken is disabled: its setup failed" in process.log()
    assert "task 'gone' is set to 'no_such_module:Task', which cannot be imported" in process.log()


# Tasks that misbehave.


def test_whatever_a_task_does_its_job_gets_an_answer_and_the_worker_lives(farm: Farm, start: Start) -> None:
    expected = {
        "raise": ("task_error", "LookupError: nothing there"),
        "raise what has no text": ("task_error", "LookupError: "),
        "raise half a letter": ("task_error", "half"),
        "raise a farm error": ("invalid_params", "cannot be"),
        "give too few": (
            "task_error",
            "returned 0 results for 1 jobs; run must return a list with one result for each job",
        ),
        "give too many": ("task_error", "returned 2 results for 1 jobs"),
        "give nothing iterable": ("task_error", "TypeError: task rude returned None; run must return a list"),
        "give a farm error": ("invalid_params", "this one cannot be"),
        "give bytes": ("task_error", "nothing JSON can say"),
        "give a set": ("task_error", "nothing JSON can say"),
        "give nan": ("task_error", "nothing JSON can say"),
        "give a circle": ("task_error", "nothing JSON can say"),
        "give a tower": ("task_error", "nothing JSON can say"),
        "give an object": ("task_error", "nothing JSON can say"),
    }
    process = start("rude").ready()
    for how, (code, words) in expected.items():
        with pytest.raises(JobFailed) as caught:
            farm.call("rude", how=how, timeout=20)
        assert (caught.value.code, words in str(caught.value)) == (code, True), f"{how}: {caught.value}"
        assert caught.value.record["attempts"] == 1
    assert farm.call("rude", how="give half a letter", timeout=20) == "\ud800"
    assert farm.call("rude", how="be nice", timeout=20) == "fine"
    assert [worker["worker"] for worker in farm.workers()] == [process.wid]


def test_a_running_job_that_is_cancelled_is_told_so(farm: Farm, start: Start) -> None:
    start("patient").ready()
    job = farm.submit("patient")
    until(lambda: farm.results.read_log(job.id))
    assert job.cancel() is True
    with pytest.raises(JobCancelled, match="told to stop"):
        job.wait(20)
    until(lambda: not any(farm.spool.running().values()))  # the worker lets go after its result is visible
    farm.spool.reclaim()
    assert not farm.spool.marked(job.id)


def test_jobs_that_wait_together_run_together(farm: Farm, start: Start) -> None:
    slot = time.time_ns() >> 32
    jobs = [farm.submit("crowd") for _ in range(6)]
    start("crowd").ready()
    sizes = [job.wait(20) for job in jobs]
    if time.time_ns() >> 32 == slot:  # else they lie in two buckets
        assert sizes == [4, 4, 4, 4, 2, 2]
    assert set(sizes) <= {1, 2, 3, 4}


def test_a_worker_shows_its_reasons_in_its_log_and_nowhere_secret(farm: Farm, start: Start) -> None:
    process = start("rude").ready()
    with pytest.raises(JobFailed):
        farm.call("rude", how="raise", timeout=20)
    until(lambda: "Traceback" in process.log())
    record = json.dumps(farm.jobs())
    assert "Traceback" not in record
    assert str(ROOT) not in record
