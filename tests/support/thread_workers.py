"""A farm whose workers are threads of the test's process, and the tasks they know."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from spoolfarm.config import Settings, load
from spoolfarm.farm.farm import Farm
from spoolfarm.spool.job import Job
from spoolfarm.spool.lease import new_worker_id
from spoolfarm.tasks import Context, Task
from spoolfarm.worker.executors.local import LocalExecutor
from spoolfarm.worker.worker import Worker


class Fails(Task):
    """Raises what nobody expects."""

    min_images = 0

    def run(self, batch: Sequence[Job], context: Context) -> list[Any]:
        raise LookupError("nothing there")


class Pairs(Task):
    """Runs up to three at once, and cannot stand the bytes b"bad"."""

    min_images, max_images, pictures = 0, 1, False
    max_batch = 3

    def run(self, batch: Sequence[Job], context: Context) -> list[Any]:
        if any(image == b"bad" for job in batch for image in job.images):
            raise ValueError("cannot stand it")
        return [len(batch) for _ in batch]


class Picky(Task):
    """Takes one picture."""

    def run(self, batch: Sequence[Job], context: Context) -> list[Any]:
        return [None for _ in batch]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load(
        {
            "FARM_SPOOL_DIR": str(tmp_path / "spool"),
            "FARM_RESULTS_DIR": str(tmp_path / "results"),
            "FARM_MIN_FREE_MB": "0",
            "FARM_TIMEOUT": "30",
            "FARM_TASKS": f"fails={__name__}:Fails,pairs={__name__}:Pairs,picky={__name__}:Picky",
            "FARM_ENABLE": "echo,fails,pairs,picky",
        }
    )


@contextmanager
def working(farm: Farm, count: int = 1) -> Iterator[None]:
    """*count* workers, in threads of this process."""
    executor = LocalExecutor({name: farm.tasks.get(name) for name in farm.tasks.names()})
    workers = [Worker(farm, executor, lambda done: False) for _ in range(count)]
    threads = [threading.Thread(target=worker.run, args=(new_worker_id(),)) for worker in workers]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for worker in workers:
            worker.stop()
        for thread in threads:
            thread.join(20)


@pytest.fixture
def worker(farm: Farm) -> Iterator[None]:
    with working(farm):
        yield


def left(farm: Farm) -> list[str]:
    """Every file below the farm's directories, its workers' own, what is counted and the index, a cache, left out."""
    found = []
    for root in (farm.spool.root, farm.results.root):
        for folder, _, names in os.walk(root):
            if not any(part in folder for part in ("/workers", "/idle", "/index", "/counts")):
                found += [f"{folder}/{name}" for name in names]
    return found
