"""Whose workers do a batch: those of the running farm, or the batch's own."""

from __future__ import annotations

import os
import time
from types import TracebackType
from typing import Protocol

from spoolfarm import config
from spoolfarm.farm.farm import Farm
from spoolfarm.spool import lease

#: Seconds between checks of the running farm's workers.
LOOK = 2.0


class Workers(Protocol):
    """What a batch needs from them."""

    farm: Farm

    def staff(self, task: str) -> None:
        """Make sure that there are workers for *task*."""

    def tend(self) -> str:
        """Called about once a second; returns what to wait for. Raises FarmError if no worker can ever start."""


class RunningFarm:
    """The farm of the settings, which looks after its workers itself."""

    def __init__(self, settings: config.Settings) -> None:
        self.farm = Farm(settings=settings, source="batch")
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
        """Only report it when no worker takes *task*; nothing else can be done."""
        self._tasks.add(task)

    def tend(self) -> str:
        """Check now and then."""
        if time.monotonic() >= self._look_due:
            self._look_due = time.monotonic() + LOOK
            alone = self._tasks.difference(*(worker["tasks"] for worker in self.farm.workers()))
            self._waiting = f"waiting for a worker that takes {min(alone)}" if alone else ""
            if resting := [task for task in sorted(self._tasks) if self.farm.pauses.on(task)]:
                self._waiting = f"{resting[0]} is paused"
        return self._waiting


def running(settings: config.Settings, task: str) -> bool:
    """Whether a farm runs that does *task*, or will when its workers have started."""
    root = settings.spool_dir
    if not os.path.isdir(f"{root}/workers"):
        return False
    return lease.alive(root, "launcher") or any(task in worker["tasks"] for worker in lease.ready(f"{root}/workers"))
