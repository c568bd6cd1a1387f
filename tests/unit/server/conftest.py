"""Fronts in this process, without workers, and a check that refusals leave nothing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator

import pytest
from flask.testing import FlaskClient

from spoolfarm.config import load
from spoolfarm.farm.farm import Farm
from spoolfarm.server.app import create_app
from spoolfarm.server.current import FARM
from spoolfarm.server.uploads import Uploads
from spoolfarm.server.views.uploads import UPLOADS

Make = Callable[..., FlaskClient]

#: More MiB of free space than FARM_MIN_FREE_MB can ask for.
ENDLESS = 1_000_000


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


@pytest.fixture
def too_much() -> int:
    """More MiB than this disk has left."""
    if shutil.disk_usage("/").free >> 20 >= ENDLESS:
        pytest.skip("this disk is too big to be too full")
    return ENDLESS
