"""A private farm: a batch's own workers in a separate spool, which live exactly as long as the batch."""

from __future__ import annotations

import os
import selectors
import shutil
import stat
import tempfile
import time
from types import TracebackType

from filelock import Timeout

from spoolfarm import config
from spoolfarm.errors import FarmError
from spoolfarm.farm.farm import Farm
from spoolfarm.launcher.pool import WorkerPool
from spoolfarm.spool import files
from spoolfarm.spool.lock import lock
from spoolfarm.tasks.lanes import LANES

#: The prefix of the directories of such farms, among all the other temporary files.
PREFIX = "spoolfarm-batch-"
LOCK = "lock"
#: Seconds for which the directory of a starting batch may have no lock yet.
BIRTH = 60.0
#: Seconds between checks of the workers.
TICK = 1.0
#: Seconds within which killed workers must be gone.
DEATH = 10.0
#: How often a worker may fail to start before the batch gives up.
TRIES = 3


class PrivateFarm:
    """Workers for the tasks that turn out to be needed, and the Farm through which they get jobs."""

    def __init__(self, settings: config.Settings, workers: int) -> None:
        """With this many *workers* in the general lane, and as many as the settings say in others."""
        _sweep()
        self._root = tempfile.mkdtemp(prefix=PREFIX)
        self._lock = lock(f"{self._root}/{LOCK}")
        self._lock.acquire(timeout=0)
        own = {
            **settings.environment(),
            "FARM_LOG": "text",
            "FARM_SPOOL_DIR": f"{self._root}/spool",
            "FARM_RESULTS_DIR": f"{self._root}/results",
            "FARM_WORKERS": str(workers),
            "FARM_MAX_QUEUED": "",  # the other farm's limit on waiting requests does not apply to this one
        }
        self._selector = selectors.DefaultSelector()
        own_settings = config.load(own)
        self.farm = Farm(settings=own_settings, source="batch")
        self._settings = own_settings
        #: The tasks of the workers of each lane.
        self._tasks: dict[str, list[str]] = {}
        self._pool = WorkerPool(self.farm.spool, own_settings, self._tasks.__getitem__, self._selector)
        self._look_due = 0.0
        self._waiting = ""

    def __enter__(self) -> PrivateFarm:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.kill()
        deadline = time.monotonic() + DEATH
        while self._pool.workers and time.monotonic() < deadline:
            self._pool.look(ending=True)
            time.sleep(0.005)
        self._pool.close()
        self.farm.close()
        self._selector.close()
        shutil.rmtree(self._root)
        self._lock.release()

    def staff(self, task: str) -> None:
        """Start workers for *task*, and for the tasks of its parts, unless there are some."""
        known = self.farm.tasks.get(task)
        tasks = self._tasks.setdefault(known.lane, [])
        if task in tasks:
            return
        tasks.append(task)
        wanted = max(1, LANES[known.lane].count(self._settings))
        if len(tasks) == 1:
            self._pool.scale(known.lane, wanted)
        else:
            self._pool.renew(self._settings, {known.lane: wanted}, self.farm.spool, self._tasks.__getitem__)
        for part in known.parts:
            self.staff(part)

    def tend(self) -> str:
        """Keep the workers alive; return what there is to wait for. Raises FarmError when they cannot even start."""
        for key, _ in self._selector.select(0):
            key.data.pass_on()
        self._pool.watch_memory()
        if time.monotonic() < self._look_due:
            return self._waiting
        self._look_due = time.monotonic() + TICK
        self._pool.look()
        if hopeless := [worker for worker in self._pool.workers if worker.failures >= TRIES]:
            raise FarmError(f"the workers cannot start: {hopeless[0].last_words()}")
        self._waiting = "" if self.farm.workers() else "the workers are starting"
        return self._waiting


def _sweep() -> None:
    """Remove what killed batches left: directories of ours whose lock is free."""
    for name in files.names(tempfile.gettempdir()):
        root = f"{tempfile.gettempdir()}/{name}"
        if not name.startswith(PREFIX) or not _may_be_left(root):
            continue
        left = lock(f"{root}/{LOCK}")
        try:
            left.acquire(timeout=0)
        except (Timeout, OSError):
            continue  # it is in use, or has just been removed
        shutil.rmtree(root, ignore_errors=True)
        left.release()


def _may_be_left(root: str) -> bool:
    """Whether *root* is a directory of ours, and not of a batch that just begins."""
    try:
        found = os.lstat(root)
    except FileNotFoundError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and time.time() - found.st_mtime > BIRTH
