"""Simulations under fire: whoever is killed, nothing of them remains, and the next one starts."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from spoolfarm.errors import JobFailed
from spoolfarm.tasks.flower import reaper
from tests.support import foreign_flower_project as foreign
from tests.support.running_farm import RunningFarm, until


@pytest.fixture
def simulating(run: Callable[..., RunningFarm], tmp_path: Path) -> Callable[..., RunningFarm]:
    """A function that starts a farm with one worker for simulations, which has begun an endless one."""

    def start(**settings: Any) -> RunningFarm:
        given = foreign.settings(foreign.make(tmp_path / "project"), FARM_ENABLE="echo,simulate", FARM_WORKERS=1)
        farm = run(**given, **settings).start()
        begin(farm, tmp_path)
        return farm

    return start


def begin(farm: RunningFarm, tmp_path: Path) -> None:
    """Start an endless simulation that has children in two sessions."""
    params = {"rounds": 100_000, "leave": "yes", "pids": "pids", "folder": "Net_20260101-000000"}
    job = farm.farm.submit("simulate", **params)
    (tmp_path / "job").write_text(job.id)
    until(lambda: len(alive(tmp_path)) == 3, what=f"the simulation; {farm.log()}")
    until(lambda: "round 2/" in str(farm.farm.results.read_log(job.id)), what="the second round")


def alive(tmp_path: Path) -> list[int]:
    """The processes of the simulation that live."""
    try:
        return [pid for pid in map(int, (tmp_path / "project/pids").read_text().split()) if reaper.started(pid)]
    except FileNotFoundError:
        return []


def simulator(farm: RunningFarm) -> int:
    """The process id of the worker for simulations."""
    return int(until(lambda: [each["pid"] for each in farm.farm.workers() if "simulate" in each["tasks"]])[0])


def ended(farm: RunningFarm, tmp_path: Path) -> dict[str, Any]:
    """The record of the endless simulation, once it has ended."""
    job_id = (tmp_path / "job").read_text()
    return until(lambda: farm.farm.results.get(job_id), what=f"the end of the job; {farm.log()}")


def status(tmp_path: Path) -> str:
    """What the simulation's own record says."""
    return str(json.loads((tmp_path / "project/global_models/Net_20260101-000000/result.json").read_text())["status"])


def test_a_killed_worker_takes_its_simulation_along_and_the_next_one_starts(
    simulating: Callable[..., RunningFarm], tmp_path: Path
) -> None:
    farm = simulating()
    os.kill(simulator(farm), signal.SIGKILL)
    until(lambda: not alive(tmp_path), what="the simulation to end")
    record = ended(farm, tmp_path)
    assert (record["status"], record["code"], record["attempts"]) == ("failed", "worker_died", 1)
    assert "SIGKILL" in record["error"]
    assert farm.farm.submit("simulate", rounds=1).wait(30)["exit_code"] == 0
    assert status(tmp_path) == "failed"
    assert not farm.farm.spool.running().get("simulate")
    farm.farm.retry(record["id"])  # but for somebody who asks for it
    until(lambda: farm.farm.record(record["id"])["status"] != "queued", what="the second try")
    with pytest.raises(JobFailed, match=r"exit code 1$"):  # its folder is there already
        farm.farm.wait(record["id"], 30)


def test_a_cancelled_simulation_ends_within_seconds(simulating: Callable[..., RunningFarm], tmp_path: Path) -> None:
    farm = simulating()
    worker = simulator(farm)
    assert farm.farm.cancel((tmp_path / "job").read_text())
    record = ended(farm, tmp_path)
    assert record["status"] == "cancelled"
    assert record["details"] == {"exit_code": 143, "folder": "Net_20260101-000000"}
    assert not alive(tmp_path)
    assert status(tmp_path) == "stopped"
    assert simulator(farm) == worker


def test_a_simulation_past_its_time_is_ended(simulating: Callable[..., RunningFarm], tmp_path: Path) -> None:
    farm = simulating(FARM_SIMULATION_TIMEOUT=6)
    record = ended(farm, tmp_path)
    assert "FARM_SIMULATION_TIMEOUT" in record["error"]
    until(lambda: not alive(tmp_path), what="the simulation to end")


def test_nothing_of_a_simulation_outlives_the_launcher(simulating: Callable[..., RunningFarm], tmp_path: Path) -> None:
    farm = simulating()
    farm.kill_launcher()
    until(lambda: not farm.processes() and not alive(tmp_path), what="all to end")
    farm.start()
    assert ended(farm, tmp_path)["code"] == "worker_died"
    assert farm.farm.submit("simulate", rounds=1).wait(30)["exit_code"] == 0
    assert status(tmp_path) == "failed"


def test_nothing_of_a_simulation_outlives_a_farm_that_stops(
    simulating: Callable[..., RunningFarm], tmp_path: Path
) -> None:
    farm = simulating(FARM_GRACE=1)
    farm.signal(signal.SIGTERM)
    farm.wait(30)
    until(lambda: not farm.processes() and not alive(tmp_path), what="all to end")
    assert ended(farm, tmp_path)["status"] == "failed"


def test_the_log_survives_the_front(simulating: Callable[..., RunningFarm], tmp_path: Path) -> None:
    farm = simulating()
    job_id = (tmp_path / "job").read_text()
    for pid in farm.front():
        os.kill(pid, signal.SIGKILL)
    until(lambda: farm.get("/health")[0] == 200, what="another front")
    before = len(farm.farm.results.read_log(job_id))
    until(lambda: len(farm.farm.results.read_log(job_id)) > before, what="the next line")
    assert farm.get(f"/v1/jobs/{job_id}")[1]["status"] == "running"
    farm.farm.cancel(job_id)
    ended(farm, tmp_path)


def test_as_many_run_at_once_as_there_are_workers_for_them(run: Callable[..., RunningFarm], tmp_path: Path) -> None:
    given = foreign.settings(foreign.make(tmp_path / "project"), FARM_ENABLE="echo,simulate", FARM_WORKERS=1)
    farm = run(**given, FARM_SIMULATIONS=2).start()
    jobs = [farm.farm.submit("simulate", rounds=100_000) for _ in range(3)]

    def running() -> int:
        return [job.status() for job in jobs].count("running")

    until(lambda: running() == 2, what="two of them")
    assert farm.farm.call("echo", timeout=20)["bytes"] == 0  # and others are served meanwhile
    assert running() == 2
    for job in jobs:
        job.cancel()
        until(lambda job=job: job.status() == "cancelled", what="the end of each")


def test_a_simulation_does_not_get_the_thread_limit_of_short_jobs(
    run: Callable[..., RunningFarm], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    root = foreign.make(tmp_path / "project")
    foreign.write(root / "start.py", "import os; print('threads', os.environ.get('OMP_NUM_THREADS'))")
    farm = run(**foreign.settings(root, FARM_ENABLE="echo,simulate", FARM_WORKERS=1)).start()
    job = farm.farm.submit("simulate")
    job.wait(30)
    assert [line["log"] for line in farm.farm.results.read_log(job.id)] == ["threads None"]
