"""Fronts to ask, in this process without workers and in farms of their own, and a check that refusals leave nothing."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest
from flask.testing import FlaskClient

from spoolfarm.config import load
from spoolfarm.farm.farm import Farm
from spoolfarm.server.app import create_app
from spoolfarm.server.current import FARM
from spoolfarm.server.uploads import Uploads
from spoolfarm.server.views.uploads import UPLOADS
from tests.support.running_farm import RunningFarm, until

Make = Callable[..., FlaskClient]

#: The tasks of the farms here; without a net, whose libraries take seconds to load in each worker.
TASKS = {"FARM_ENABLE": "echo,edit,ocr,orient,segment", "FARM_SEGMENT_MODEL": "classical"}


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


@pytest.fixture(scope="session")
def make(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Make]:
    """A function that makes the front's application with the settings given, and a client of it."""
    made: list[Farm | Uploads] = []

    def make(**settings: object) -> FlaskClient:
        path = tmp_path_factory.mktemp("front")
        default = {
            "FARM_SPOOL_DIR": path / "spool",
            "FARM_RESULTS_DIR": path / "results",
            "FARM_DATA_DIR": path / "data",
            "FARM_MIN_FREE_MB": 0,
            "FARM_TIMEOUT": 0.05,
            "FARM_MAX_BODY_MB": 4,
        }
        app = create_app(load({name: str(value) for name, value in {**default, **settings}.items()}))
        made.extend((app.extensions[FARM], app.extensions[UPLOADS]))
        return app.test_client()

    yield make
    for each in made:
        each.close()


@pytest.fixture(scope="session")
def front(make: Make) -> FlaskClient:
    """The front's application, without any worker."""
    return make()


@pytest.fixture
def nothing_is_queued(request: pytest.FixtureRequest) -> Iterator[None]:
    """What is refused leaves no job and no half-written file."""
    front = request.getfixturevalue("front") if "front" in request.fixturenames else None
    if front is None or "accepted" in request.node.name:
        yield
        return
    spool = front.application.extensions[FARM].spool
    before = spool.count()
    yield
    assert spool.count() == before
    assert not os.listdir(spool.tmp)
