"""The machine's clock jumps an hour ahead, and then two back: nothing is lost, killed, forgotten or kept waiting."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.hot_folder import Hot
from tests.support.jumping_clock import Clock
from tests.support.running_farm import ROOT, RunningFarm, until

HOUR = 3600


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    (tmp_path / "clock").mkdir()
    return Clock(tmp_path / "clock", ROOT)


@pytest.fixture
def farm(tmp_path: Path, clock: Clock) -> Iterator[RunningFarm]:
    tasks = {"FARM_TASKS": "deaf=tests.support.rude_tasks:Deaf", "FARM_ENABLE": "echo,deaf", "FARM_JOB_TIMEOUT": 60}
    with RunningFarm(tmp_path, **tasks, **clock.settings) as made:
        yield made


def test_a_clock_that_jumps_an_hour_ahead_and_two_back_disturbs_nothing(farm: RunningFarm, clock: Clock) -> None:
    workers, front, hot = farm.workers(), farm.front(), Hot(farm)
    ended = [farm.post("/v1/jobs", {"task": "echo", "params": {"n": 0}})[1]["id"]]
    until(lambda: farm.get(f"/v1/jobs/{ended[0]}")[1]["status"] == "succeeded")
    born = []
    for number, seconds in enumerate((HOUR, -HOUR), 1):
        running = [farm.post("/v1/jobs", {"task": "deaf", "params": {"seconds": 1.0}})[1]["id"] for _ in workers]
        until(lambda: len(farm.farm.running()) == len(workers))
        assert min(each["seconds"] for each in farm.farm.running()) >= 0, "also of those that began in the future"
        before = farm.post("/v1/jobs", {"task": "echo", "params": {"n": number}})[1]
        clock.jump(seconds)
        after = farm.post("/v1/jobs", {"task": "echo", "params": {"n": -number}})[1]
        (hot.inbox / "echo" / f"dropped{number}").write_bytes(b"now")
        assert farm.post("/v1/run/echo", {"params": {"n": number}})[0] == 200
        ended += [*running, before["id"], after["id"]]
        born.append(farm.get(f"/v1/jobs/{after['id']}")[1]["created"])
        until(lambda: {farm.get(f"/v1/jobs/{each}")[1]["status"] for each in ended} == {"succeeded"})
        until(lambda number=number: hot.count("echo") == number)  # type: ignore[misc]
        assert farm.get("/ready")[0] == 200
        assert len(farm.get("/v1/jobs")[1]["jobs"]) == len(ended)
    assert 1.9 * HOUR < born[0] - born[1] < 2.1 * HOUR, "the clock has jumped"
    assert {farm.get(f"/v1/jobs/{each}")[1]["attempts"] for each in ended} == {1}
    assert (farm.workers(), farm.front()) == (workers, front)
    until(lambda: not hot.left("echo"))
    assert json.loads((hot.out / "echo" / "dropped2.json").read_text())["result"]["bytes"] == 3
