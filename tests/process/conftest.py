"""Real farms, one a test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.running import RunningFarm


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., RunningFarm]]:
    """A function that makes a farm with the settings given; it is stopped after the test."""
    made: list[RunningFarm] = []

    def make(**settings: object) -> RunningFarm:
        made.append(RunningFarm(tmp_path, **settings))
        return made[-1]

    yield make
    for farm in made:
        farm.stop()
