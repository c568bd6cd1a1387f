"""Real farms, one a test, and single workers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from spoolfarm.farm.farm import Farm
from spoolfarm.spool.lease import new_worker_id
from tests.support import mounts
from tests.support.batch_folder import Bench
from tests.support.running_farm import ROOT, RunningFarm, until


class Process:
    """A worker in a process of its own."""

    def __init__(self, farm: Farm, log: Path, tasks: str, arguments: Sequence[str], settings: dict[str, str]) -> None:
        self._farm = farm
        self._log = log
        self.wid = new_worker_id()
        with open(log, "ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, str(ROOT / "worker.py"), "--tasks", tasks, "--id", self.wid, *arguments],
                env={**os.environ, "PYTHONPATH": str(ROOT), **farm.settings.environment(), **settings},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    def ready(self) -> Process:
        """Wait until it takes jobs."""
        until(lambda: self.wid in [each["worker"] for each in self._farm.workers()] or self._process.poll() is not None)
        assert self._process.poll() is None, self.log()
        return self

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def wait(self) -> int:
        """Its exit status, once it has ended."""
        return self._process.wait(20)

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        self._process.kill()
        self.wait()

    def log(self) -> str:
        """What it printed."""
        return self._log.read_text()


Start = Callable[..., Process]


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
def bench(tmp_path: Path) -> Bench:
    """A folder for batches, with no input yet."""
    return Bench(tmp_path)


@pytest.fixture
def start(farm: Farm, tmp_path: Path) -> Iterator[Start]:
    """A function that starts a worker for *tasks*; what is left of them is killed after the test."""
    made: list[Process] = []

    def begin(tasks: str = "echo", *arguments: str, **settings: str) -> Process:
        made.append(Process(farm, tmp_path / f"log{len(made)}", tasks, arguments, settings))
        return made[-1]

    yield begin
    for process in made:
        process.kill()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MiB where the results will be."""
    path = tmp_path / "results"
    with mounts.tmpfs(path, "size=1m"):
        yield path
