"""A farm with a grumpy task, and a client of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from spoolfarm.client.client import Client
from tests.support.running_farm import RunningFarm


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningFarm]:
    """A farm with two workers."""
    tasks = {"FARM_ENABLE": "echo,grumpy", "FARM_TASKS": "grumpy=tests.support.rude_tasks:Grumpy"}
    farm = RunningFarm(tmp_path_factory.mktemp("farm"), **tasks)
    try:
        yield farm.start()
    finally:
        farm.stop()


@pytest.fixture
def client(running: RunningFarm) -> Client:
    """A client of the farm with two workers."""
    return Client(running.url)
