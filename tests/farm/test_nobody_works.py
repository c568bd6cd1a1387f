"""Where nobody works: who waits is told within a moment, and who submits is not."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from spoolfarm.client.client import Client
from spoolfarm.config import load
from spoolfarm.errors import NoWorker, WaitTimeout
from spoolfarm.farm.farm import Farm
from tests.support.running_farm import RunningFarm, until
from tests.support.thread_workers import left, settings, working

__all__ = ["settings"]
Run = Callable[..., RunningFarm]


@pytest.fixture
def farm(settings: Any) -> Iterator[Farm]:
    """A farm on which nobody works, whose calls would wait for half a minute."""
    made = Farm(settings=settings)
    yield made
    made.close()


@pytest.fixture(params=["call", "map", "endless map", "wait", "wait for ever"])
def ask(request: pytest.FixtureRequest) -> Callable[[Farm], Any]:
    """What waits for a result."""
    return {
        "call": lambda farm: farm.call("echo"),
        "map": lambda farm: list(farm.map("echo", [b"1", b"2"])),
        "endless map": lambda farm: list(farm.map("echo", iter(lambda: b"1", b"2"))),
        "wait": lambda farm: farm.submit("echo").wait(30),
        "wait for ever": lambda farm: farm.submit("echo").wait(),
    }[request.param]


def test_who_waits_is_told_within_a_moment_what_to_start(farm: Farm, ask: Callable[[Farm], Any]) -> None:
    start = time.monotonic()
    with pytest.raises(NoWorker) as told:
        ask(farm)
    assert time.monotonic() < start + 6
    assert str(told.value) == f"no worker runs on {farm.root} for task echo; start ./start.sh"
    assert told.value.code == "no_worker"


def test_what_was_called_is_withdrawn_and_what_was_submitted_waits_on(farm: Farm) -> None:
    with pytest.raises(NoWorker):
        farm.call("echo")
    with pytest.raises(NoWorker):
        list(farm.map("echo", [b"1", b"2"]))
    assert left(farm) == []
    job = farm.submit("echo", n=1)
    with pytest.raises(NoWorker) as told:
        job.wait()
    assert told.value.job_id == job.id
    with working(farm):
        assert job.wait(20) == {"params": {"n": 1}, "bytes": 0}


def test_a_full_queue_that_nobody_empties_is_told_as_well(farm: Farm) -> None:
    full = Farm(settings=load({**farm.settings.environment(), "FARM_MAX_QUEUED": "1"}))
    full.submit("echo")
    with pytest.raises(NoWorker):
        list(full.map("echo", [b"1"]))
    full.close()


def test_a_launcher_that_runs_will_start_a_worker(farm: Farm) -> None:
    with FileLock(f"{farm.root}/launcher.lock", fallback_to_soft=False):
        with pytest.raises(WaitTimeout, match=r"no result within 1\.5 s; no worker is ready for echo") as late:
            farm.call("echo", timeout=1.5)
        assert type(late.value) is WaitTimeout
        farm.cancel(late.value.job_id)
    with pytest.raises(NoWorker):
        farm.call("echo")


def test_a_worker_that_is_not_ready_yet_may_turn_out_to_do_it(farm: Farm) -> None:
    with FileLock(f"{farm.spool.workers}/new-1.lock", fallback_to_soft=False), pytest.raises(WaitTimeout) as late:
        farm.call("echo", timeout=1.5)
    assert type(late.value) is WaitTimeout


def test_a_worker_for_other_tasks_is_none_for_this_one(farm: Farm) -> None:
    with working(farm):
        until(farm.workers, what="the worker")
        assert farm.call("echo", seconds=0.8)["bytes"] == 0  # longer than the first look
        other = Farm(settings=load({**farm.settings.environment(), "FARM_ENABLE": ""}))
        with pytest.raises(NoWorker, match="for task simulate"):
            other.call("simulate", timeout=20)
        other.close()


def test_the_last_worker_that_dies_is_noticed_by_those_who_wait(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spoolfarm.farm.farm.NEXT_LOOK", 0.2)
    found = farm.map("echo", (b"x" for _ in range(10**6)), in_flight=2)
    with working(farm):
        assert next(found)[1]["bytes"] == 1
    with pytest.raises(NoWorker):
        list(found)


def test_a_client_is_told_what_the_farm_lacks_when_its_wait_runs_out(run: Run) -> None:
    farm = run(FARM_WORKERS=0, FARM_TIMEOUT=0.2).start(ready=False)
    until(lambda: farm.get("/health")[0] == 200, what="the front")
    client = Client(farm.url)
    job = client.submit("echo")
    for ask in (lambda: job.wait(0.2), lambda: client.call("echo", timeout=0.3)):
        with pytest.raises(WaitTimeout, match="the farm is not ready: no worker is ready"):
            ask()
    status, body = farm.post("/v1/run/echo", {})
    assert (status, body["error"]) == (504, "no result within 0.2 s; no worker is ready for echo")


def test_a_spool_that_was_never_there_is_told_too(tmp_path: Path) -> None:
    farm = Farm(tmp_path / "new" / "spool", tmp_path / "new" / "results")
    with pytest.raises(NoWorker, match="/new/spool for task echo"):
        farm.call("echo")
    farm.close()
