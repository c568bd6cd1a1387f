"""Farms to ask over HTTP, each in processes of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.running_farm import RunningFarm, until

#: The tasks of the farms here; without a net, whose libraries take seconds to load in each worker.
TASKS = {"FARM_ENABLE": "echo,edit,measure,ocr,orient,segment", "FARM_SEGMENT_MODEL": "classical"}


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningFarm]:
    """A farm with two workers, which nothing here may bring to a traceback."""
    farm = RunningFarm(tmp_path_factory.mktemp("live"), FARM_SIMULATIONS=0, **TASKS)
    try:
        yield farm.start()
    finally:
        farm.stop()
    assert "Traceback" not in farm.log(), farm.log()


@pytest.fixture(scope="session")
def netted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningFarm]:
    """A farm with one worker that finds objects by the net in the package, which is the default."""
    given = {"FARM_ENABLE": "orient,segment", "FARM_SEGMENT_MODEL": "default", "FARM_WORKERS": 1}
    farm = RunningFarm(tmp_path_factory.mktemp("netted"), FARM_SIMULATIONS=0, **given)
    try:
        yield farm.start()
    finally:
        farm.stop()
    assert "Traceback" not in farm.log(), farm.log()


@pytest.fixture(params=["live", "netted"], ids=["classical", "default"])
def either(request: pytest.FixtureRequest) -> RunningFarm:
    """A farm that finds objects in the classical way, and one that does so by the net."""
    farm: RunningFarm = request.getfixturevalue(request.param)
    return farm


@pytest.fixture(scope="session")
def idle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningFarm]:
    """A farm without workers, which only queues, and takes no body above 1 MiB."""
    given = {"FARM_WORKERS": 0, "FARM_SIMULATIONS": 0, "FARM_TIMEOUT": 1, "FARM_MAX_BODY_MB": 1}
    farm = RunningFarm(tmp_path_factory.mktemp("idle"), **TASKS, **given)
    try:
        farm.start(ready=False)
        until(lambda: farm.get("/health")[0] == 200, what="the front")
        yield farm
    finally:
        farm.stop()
    assert "Traceback" not in farm.log(), farm.log()
