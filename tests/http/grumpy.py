"""A farm with a grumpy task, and a client of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from spoolfarm.client import Client
from spoolfarm.job import Job
from spoolfarm.tasks import Context, Params, Task
from tests.running import RunningFarm


class Grumpy(Task):
    """Fails, after a word about it."""

    class Wanted(Params):
        """What the failure says."""

        why: str

    Params = Wanted
    min_images = 0

    def run(self, batch: Sequence[Job], context: Context) -> list[Any]:
        context.log("I do not like it")
        raise ValueError(batch[0].params["why"])


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningFarm]:
    """A farm with two workers."""
    tasks = {"FARM_ENABLE": "echo,grumpy", "FARM_TASKS": "grumpy=tests.http.grumpy:Grumpy"}
    farm = RunningFarm(tmp_path_factory.mktemp("farm"), **tasks)
    try:
        yield farm.start()
    finally:
        farm.stop()


@pytest.fixture
def client(running: RunningFarm) -> Client:
    """A client of the farm with two workers."""
    return Client(running.url)
