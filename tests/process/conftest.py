"""Real farms, one a test, and a place for thousands of spools."""

from __future__ import annotations

import os
import tempfile
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


@pytest.fixture
def base(tmp_path: Path) -> Iterator[Path]:
    """Where the trees go: in memory where that is possible, because there are thousands of them."""
    if not os.access("/dev/shm", os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(prefix="spoolfarm-test-", dir="/dev/shm") as path:
        yield Path(path)
