"""The command line in a farm of the test's own, with a real worker where one is needed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from spoolfarm.config import Settings, load
from spoolfarm.farm.farm import Farm
from tests.support.running_farm import ROOT, until


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Those of every test, and `page`."""
    tasks = "page=tests.support.command_tasks:Page,ocr=tests.support.command_tasks:Reader"
    return load({**settings.environment(), "FARM_TASKS": tasks, "FARM_ENABLE": "echo,ocr,page"})


@pytest.fixture(autouse=True)
def _here(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command line finds the farm of the test."""
    for name in [name for name in os.environ if name.startswith("FARM_")]:
        monkeypatch.delenv(name)
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def worker(farm: Farm) -> Iterator[subprocess.Popen[bytes]]:
    """A real worker for all tasks."""
    command = [sys.executable, str(ROOT / "worker.py")]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL) as process:
        try:
            until(farm.workers, what="the worker")
            yield process
        finally:
            process.kill()
