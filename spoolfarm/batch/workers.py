"""Whose workers do a batch: those of the running farm, or some of its own."""

from __future__ import annotations

import os
import time
from types import TracebackType
from typing import Protocol

from spoolfarm import config
from spoolfarm.farm.farm import Farm
from spoolfarm.spool import lease

#: Seconds between two looks at who works in the running farm.
LOOK = 2.0


class Workers(Protocol):
    """What a batch wants of them."""

    farm: Farm

    def staff(self, task: str) -> None:
        """See to it that somebody does jobs of *task*."""

    def tend(self) -> str:
        """Called about once a second; says what there is to wait for. Raises FarmError when nobody will ever work."""


class RunningFarm:
    """The farm of the settings, which looks after its workers itself."""

    def __init__(self, settings: config.Settings) -> None:
        self.farm = Farm(settings=settings)
        self._tasks: set[str] = set()
        self._look_due = 0.0
        self._waiting = ""

    def __enter__(self) -> RunningFarm:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.farm.close()

    def staff(self, task: str) -> None:
        """Nothing can be done but to tell when nobody takes *task*."""
        self._tasks.add(task)

    def tend(self) -> str:
        """Look now and then."""
        if time.monotonic() >= self._look_due:
            self._look_due = time.monotonic() + LOOK
            alone = self._tasks.difference(*(worker["tasks"] for worker in self.farm.workers()))
            self._waiting = f"waiting for a worker that takes {min(alone)}" if alone else ""
        return self._waiting


def running(settings: config.Settings, task: str) -> bool:
    """Whether a farm runs that does *task*, or will when its workers have started."""
    root = settings.spool_dir
    if not os.path.isdir(f"{root}/workers"):
        return False
    return lease.alive(root, "launcher") or any(task in worker["tasks"] for worker in lease.ready(f"{root}/workers"))
