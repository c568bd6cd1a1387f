"""One of the farm's processes stands still, longer than any limit it has, and goes on: the others do without it."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.hot_folder import Hot
from tests.support.running_farm import RunningFarm, until

#: Seconds that an attempt may run, and that a client waits.
LIMIT, PATIENCE = 2, 1


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningFarm]:
    tasks = {"FARM_TASKS": "deaf=tests.support.rude_tasks:Deaf", "FARM_ENABLE": "echo,deaf"}
    with RunningFarm(tmp_path_factory.mktemp("farm"), **tasks, FARM_JOB_TIMEOUT=LIMIT, FARM_TIMEOUT=PATIENCE) as made:
        yield made


@contextmanager
def stopped(pids: Sequence[int]) -> Iterator[None]:
    """Within it these processes stand still."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        until(lambda: all(map(stands, pids)))
        yield
    finally:
        for pid in pids:
            try:
                os.kill(pid, signal.SIGCONT)
            except ProcessLookupError:
                pass  # somebody has killed it meanwhile


def stands(pid: int) -> bool:
    """Whether a process has been stopped."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def pass_by(seconds: float) -> None:
    """Let so much time pass."""
    end = time.monotonic() + seconds
    until(lambda: time.monotonic() > end)


def test_a_job_whose_worker_is_stopped_is_done_by_another_once_its_time_is_over(farm: RunningFarm) -> None:
    job = farm.farm.submit("deaf", seconds=1)
    [running] = until(farm.farm.running)
    [pid] = [each["pid"] for each in farm.farm.workers() if each["worker"] == running["worker"]]
    with stopped([pid]):
        assert job.wait(20) == {"slept": 1}
    record = job.record()
    assert record["attempts"] == 2
    until(lambda: len(farm.workers()) == 2 and pid not in farm.workers())


def test_an_idle_worker_that_is_stopped_keeps_nobody_waiting(farm: RunningFarm) -> None:
    pid = farm.workers()[0]
    with stopped([pid]):
        for number in range(6):
            assert farm.farm.call("echo", n=number, timeout=10)["params"] == {"n": number}
    assert pid in farm.workers()


def test_with_every_worker_stopped_clients_are_told_and_what_was_accepted_is_done_later(farm: RunningFarm) -> None:
    with stopped(farm.workers()):
        status, told = farm.post("/v1/run/echo", {"params": {"n": 1}})
        assert status == 504
        accepted = farm.farm.submit("echo", n=2)
    assert accepted.wait(20)["params"] == {"n": 2}
    until(lambda: farm.get(f"/v1/jobs/{told['id']}")[1]["status"] == "succeeded")


def test_a_front_that_is_stopped_stops_nobody_else_and_answers_when_it_goes_on(farm: RunningFarm) -> None:
    answers: list[tuple[int, Any]] = []
    front, hot = farm.front(), Hot(farm)
    asks = [
        threading.Thread(target=lambda: answers.append(farm.post("/v1/run/deaf", {"params": {"seconds": 0.8}}))),
        threading.Thread(target=lambda: answers.append(farm.post("/v1/jobs", {"task": "echo"}))),
    ]
    asks[0].start()
    until(farm.farm.running)
    with stopped(front):
        asks[1].start()
        assert farm.farm.call("echo", n=1, timeout=10)["params"] == {"n": 1}
        (hot.inbox / "echo" / "dropped").write_bytes(b"while the front stands still")
        until(lambda: hot.count("echo") == 1)
        pass_by(2 * PATIENCE)
    for each in asks:
        each.join()
    assert sorted(status for status, _ in answers) == [200, 202], "the result was there, whatever the clock says"
    [accepted] = [told["id"] for status, told in answers if status == 202]
    until(lambda: farm.get(f"/v1/jobs/{accepted}")[1]["status"] == "succeeded")
    assert farm.front() == front


def test_a_launcher_that_is_stopped_stops_nobody_else_and_makes_up_for_it(farm: RunningFarm) -> None:
    front, jobs = farm.front(), [farm.farm.submit("deaf", seconds=0.5) for _ in range(2)]
    until(lambda: len(farm.farm.running()) == 2)
    killed = farm.workers()[0]
    with stopped([farm.launcher]):
        os.kill(killed, signal.SIGKILL)
        assert farm.farm.call("echo", n=1, timeout=10)["params"] == {"n": 1}
        assert farm.post("/v1/run/echo", {"params": {"n": 2}})[0] == 200
        pass_by(LIMIT)
        assert sorted(job.status() for job in jobs) == ["running", "succeeded"], "nobody gives back what was lost"
    assert [job.wait(20) for job in jobs] == [{"slept": 0.5}] * 2
    assert sorted(job.record()["attempts"] for job in jobs) == [1, 2]
    until(lambda: len(farm.workers()) == 2 and killed not in farm.workers())
    assert farm.front() == front


def test_a_hot_folder_that_is_stopped_answers_each_file_once_as_it_was_last(farm: RunningFarm) -> None:
    hot = Hot(farm)
    [pid] = hot.processes()
    names = [f"late{number}" for number in range(20)]
    with stopped([pid]):
        for name in names:
            (hot.inbox / "echo" / name).write_bytes(b"first")
        (hot.inbox / "echo" / names[0]).write_bytes(b"longer than the first")
        os.rename(hot.inbox / "echo" / names[1], hot.inbox / "echo" / "renamed")
        (hot.inbox / "echo" / names[2]).unlink()
        assert farm.farm.call("echo", n=1, timeout=10)["params"] == {"n": 1}
        pass_by(LIMIT)
    wanted = {**dict.fromkeys([*names[3:], "renamed"], 5), names[0]: 21}
    until(lambda: wanted.keys() <= hot.answers("echo").keys())
    answers = hot.answers("echo")
    assert {name: answers[name]["result"]["bytes"] for name in wanted} == wanted
    assert not {*answers} - {*wanted, "dropped"}
    until(lambda: not hot.left("echo"))
    assert hot.processes() == [pid]
