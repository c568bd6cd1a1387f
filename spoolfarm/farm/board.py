"""The board: what a farm does at this moment, task by task and worker by worker, counted once for all who look."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from spoolfarm.spool import checksum, files, lease
from spoolfarm.spool.paused import ALL
from spoolfarm.spool.rates import Rate, rates
from spoolfarm.tasks.lanes import GENERAL, LANES

if TYPE_CHECKING:
    from spoolfarm.farm.farm import Farm

#: Seconds for which a look is good for all, and the same as a multiple of what it took: a deep queue takes time.
FRESH, SHARE = 0.9, 20
#: The jobs of one worker that are told, of those it runs together.
MOST_JOBS = 3


class Board:
    """What *farm* does. Any number of threads may ask."""

    def __init__(self, farm: Farm) -> None:
        self._farm = farm
        self._lock = threading.Lock()
        self._seen: dict[str, Any] = {}
        self._stale = 0.0

    def now(self) -> dict[str, Any]:
        """The farm as it was a moment ago: times are in seconds since the epoch, durations in seconds."""
        with self._lock:
            begin = time.monotonic()
            if begin >= self._stale:
                self._seen = self._look()
                took = time.monotonic() - begin
                self._stale = begin + max(FRESH, SHARE * took)
            return self._seen

    def forget(self) -> None:
        """Look again when the next one asks: somebody has changed something."""
        self._stale = 0.0

    def _look(self) -> dict[str, Any]:
        farm, figures = self._farm, self._farm.figures()
        running = farm.running()
        busy = Counter(job["task"] for job in running)
        return {
            "at": time.time(),
            "paused": farm.pauses.since(),
            "queued": sum(figures.queued.values()),
            "running": figures.running,
            "dead": figures.dead,
            "tasks": self._tasks(figures.queued, busy, figures.workers),
            "lanes": self._lanes(),
            "workers": [self._worker(each, running) for each in sorted(figures.workers, key=lambda each: each["pid"])],
            "disk": {"path": farm.root, "free_bytes": figures.free_bytes, "total_bytes": figures.total_bytes},
            "launcher": launcher(farm.root),
        }

    def _tasks(self, queued: Mapping[str, int], busy: Mapping[str, int], workers: Any) -> list[dict[str, Any]]:
        farm, totals, now = self._farm, self._farm.totals(), time.time()
        speeds, resting = rates(workers, now), farm.pauses.names()
        takers = Counter(task for worker in workers for task in worker["tasks"])
        disabled = farm.spool.disabled.all()
        done: dict[str, Counter[str]] = {}
        for (task, outcome, _), number in totals.jobs.items():
            done.setdefault(task, Counter())[outcome] += int(number)
        return [
            {
                "name": name,
                "lane": farm.tasks.get(name).lane,
                "paused": name in resting or ALL in resting,
                "problem": disabled.get(name, ""),
                "workers": takers[name],
                "queued": queued.get(name, 0),
                "oldest": round(totals.oldest.get(name, 0.0), 1),
                "running": busy.get(name, 0),
                "rate": asdict(speeds.get(name, Rate())),
                "done": dict(done.get(name, {})),
            }
            for name in farm.tasks.usable()
        ]

    def _lanes(self) -> list[dict[str, Any]]:
        """The lanes that have tasks here, each with how many workers the settings give it."""
        found = ((name, self._farm.tasks.lane(name), lane) for name, lane in LANES.items())
        settings = self._farm.settings
        return [
            {"name": name, "tasks": list(tasks), "workers": lane.count(settings) if settings.workers else 0}
            for name, tasks, lane in found
            if tasks
        ]

    def _worker(self, said: Mapping[str, Any], running: list[dict[str, Any]]) -> dict[str, Any]:
        mine = [job for job in running if job["worker"] == said["worker"]]
        done = said.get("done", {}).values()
        task = next((self._farm.tasks.get(name) for name in said["tasks"] if name in self._farm.tasks.usable()), None)
        return {
            "worker": said["worker"],
            "pid": said["pid"],
            "since": said["since"],
            "lane": task.lane if task else GENERAL,
            "jobs": [{name: job[name] for name in ("id", "task", "seconds")} for job in mine[:MOST_JOBS]],
            "more": max(0, len(mine) - MOST_JOBS),
            "done": sum(each["ended"] for each in done),
            "failed": sum(each["failed"] for each in done),
        }


def launcher(root: str) -> dict[str, Any] | None:
    """What the launcher of the spool *root* says of itself, while one lives: `pid`, `since`, and `workers`."""
    try:
        said = checksum.opened(files.read(f"{root}/launcher.json"))
        if isinstance(said["pid"], int) and lease.alive(root, "launcher"):
            return {"pid": said["pid"], "since": str(said["since"]), "workers": said.get("workers")}
    except (OSError, checksum.Altered, KeyError):
        pass
    return None
