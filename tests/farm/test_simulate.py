"""Simulations under fire: whoever is killed, nothing of them remains, and the next one starts."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from spoolfarm.errors import JobFailed
from spoolfarm.tasks.flower import reaper
from tests.support import foreign_flower_project as foreign
from tests.support.running_farm import RunningFarm, until


@pytest.fixture
def simulating(run: Callable[..., RunningFarm], tmp_path: Path) -> Callable[..., RunningFarm]:
    """A function that starts a farm of its own, which has begun an endless simulation."""

    def start(**settings: Any) -> RunningFarm:
        farm = run(**given(tmp_path), **settings).start()
        begin(farm, tmp_path)
        return farm

    return start


def given(path: Path) -> dict[str, Any]:
    """Settings for one worker for simulations, on a project below *path*."""
    return foreign.settings(foreign.make(path / "project"), FARM_ENABLE="echo,simulate", FARM_WORKERS=1)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningFarm]:
    """A farm that runs none when a test begins."""
    path = tmp_path_factory.mktemp("farm")
    with RunningFarm(path, **given(path)) as made:
        yield made


@pytest.fixture
def place(shared: RunningFarm) -> Iterator[Path]:
    """The shared farm's directory, where it has begun an endless simulation, of which no other test finds anything."""
    path = shared.log_path.parent
    begin(shared, path)
    yield path
    shutil.rmtree(path / "project/global_models")
    (path / "project/pids").unlink()


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


def test_a_killed_worker_takes_its_simulation_along_and_the_next_one_starts(shared: RunningFarm, place: Path) -> None:
    os.kill(simulator(shared), signal.SIGKILL)
    until(lambda: not alive(place), what="the simulation to end")
    record = ended(shared, place)
    assert (record["status"], record["code"], record["attempts"]) == ("failed", "worker_died", 1)
    assert "SIGKILL" in record["error"]
    assert shared.farm.submit("simulate", rounds=1).wait(30)["exit_code"] == 0
    assert status(place) == "failed"
    assert not shared.farm.spool.running().get("simulate")
    shared.farm.retry(record["id"])  # but for somebody who asks for it
    until(lambda: shared.farm.record(record["id"])["status"] != "queued", what="the second try")
    with pytest.raises(JobFailed, match=r"exit code 1: FileExistsError: "):  # its folder is there
        shared.farm.wait(record["id"], 30)


def test_a_cancelled_simulation_ends_within_seconds(shared: RunningFarm, place: Path) -> None:
    worker = simulator(shared)
    assert shared.farm.cancel((place / "job").read_text())
    record = ended(shared, place)
    assert record["status"] == "cancelled"
    assert record["details"] == {"exit_code": 143, "folder": "Net_20260101-000000"}
    assert not alive(place)
    assert status(place) == "stopped"
    assert simulator(shared) == worker


def test_a_simulation_past_its_time_is_ended(simulating: Callable[..., RunningFarm], tmp_path: Path) -> None:
    farm = simulating(FARM_SIMULATION_TIMEOUT=6)
    record = ended(farm, tmp_path)
    assert "FARM_SIMULATION_TIMEOUT" in record["error"]
    until(lambda: not alive(tmp_path), what="the simulation to end")


def test_nothing_of_a_simulation_outlives_the_launcher(shared: RunningFarm, place: Path) -> None:
    shared.kill_launcher()
    until(lambda: not shared.processes() and not alive(place), what="all to end")
    shared.start()
    assert ended(shared, place)["code"] == "worker_died"
    assert shared.farm.submit("simulate", rounds=1).wait(30)["exit_code"] == 0
    assert status(place) == "failed"


def test_nothing_of_a_simulation_outlives_a_farm_that_stops(
    simulating: Callable[..., RunningFarm], tmp_path: Path
) -> None:
    farm = simulating(FARM_GRACE=1)
    farm.signal(signal.SIGTERM)
    farm.wait(30)
    until(lambda: not farm.processes() and not alive(tmp_path), what="all to end")
    assert ended(farm, tmp_path)["status"] == "failed"


def test_the_log_survives_the_front(shared: RunningFarm, place: Path) -> None:
    job_id = (place / "job").read_text()
    shared.kill(shared.front())
    until(lambda: shared.get("/health")[0] == 200, what="another front")
    before = len(shared.farm.results.read_log(job_id))
    until(lambda: len(shared.farm.results.read_log(job_id)) > before, what="the next line")
    assert shared.get(f"/v1/jobs/{job_id}")[1]["status"] == "running"
    shared.farm.cancel(job_id)
    ended(shared, place)


def test_as_many_run_at_once_as_there_are_workers_for_them(run: Callable[..., RunningFarm], tmp_path: Path) -> None:
    farm = run(**given(tmp_path), FARM_SIMULATIONS=2).start()
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
