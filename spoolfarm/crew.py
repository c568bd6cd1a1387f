"""The crew: the workers of one farm, each started again when it dies, and killed when its job runs too long."""

from __future__ import annotations

import logging
import math
import os
import selectors
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence

from spoolfarm import config, devices
from spoolfarm.child import Child
from spoolfarm.forks import LOADING, UNFIT, ZygoteChild
from spoolfarm.lanes import GENERAL, LANES
from spoolfarm.spool.lease import new_worker_id
from spoolfarm.spool.spool import Spool

log = logging.getLogger("crew")

#: Seconds that a task gets to notice that its job was cancelled, before its worker is killed.
CANCEL_GRACE = 5.0

#: What the libraries that a task may use read their number of threads from.
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
#: What a child has no business to know that answers no requests.
SECRETS = ("FARM_API_KEY", "FLASK_SECRET_KEY")


class WorkerChild(Child):
    """A worker of one lane, forked from the *zygote* if there is one, and else started by exec."""

    def __init__(
        self,
        number: int,
        lane: str,
        tasks: Sequence[str],
        settings: config.Settings,
        selector: selectors.BaseSelector,
        zygote: ZygoteChild | None,
    ) -> None:
        threads = settings.threads or max(1, config.cores() // max(1, settings.workers))
        environment = without_secrets(settings)
        if lane != "simulate" or settings.threads:  # a simulation gets what it would get without the farm
            environment |= dict.fromkeys(THREAD_VARIABLES, str(threads))
        device = devices.dealt(number, environment.get(devices.VARIABLE))
        if lane != "simulate" and device is not None:
            environment[devices.VARIABLE] = device
        super().__init__(f"worker {number}", front_door("worker"), environment, selector)
        self.lane = lane
        self._tasks = ",".join(tasks)
        self._zygote = zygote
        self.wid = ""
        #: What it was killed for.
        self.reason = ""
        #: Whether it was asked to end, and is not to be started again.
        self.retired = False

    @property
    def waits(self) -> bool:
        """Whether it is to start as soon as the zygote is ready."""
        return self.pid is None and self._zygote is not None and self._zygote.loading

    def start(self, *extra: str) -> None:
        self.wid, self.reason = new_worker_id(), ""
        arguments = ["--id", self.wid, "--launcher", str(os.getpid()), "--tasks", self._tasks, *extra]
        if self._zygote is not None and self._zygote.ready:
            self._watch(self._zygote.fork(arguments, self.environment))
        else:
            super().start(*arguments)

    def retire(self) -> None:
        """Let the running job be its last."""
        self.retired = True
        self.signal(signal.SIGTERM)


class Crew:
    """Acts when asked to `look`, which its process does every second or so, and when a child dies."""

    def __init__(
        self,
        spool: Spool,
        settings: config.Settings,
        lane: Callable[[str], Sequence[str]],
        selector: selectors.BaseSelector,
        shared: Sequence[str] = (),
    ) -> None:
        """*lane* tells the tasks of a lane; *selector* sees what the workers print, for its owner to pass on.

        With *shared* tasks, which have something to share, the general workers are forked. Their parent is this process
        only if it adopts orphans.
        """
        self._spool = spool
        self._settings = settings
        self._lane = lane
        self._selector = selector
        self.workers: list[WorkerChild] = []
        #: How many workers each lane is to have.
        self._wanted: dict[str, int] = {}
        self._zygote: ZygoteChild | None = None
        if shared:
            command = [*front_door("zygote"), "--tasks", ",".join(shared)]
            environment = _single_threaded(settings)
            self._zygote = ZygoteChild(command, environment, selector, wanted=bool(settings.fork))
        #: Workers that are still to be replaced by new ones.
        self._old: list[WorkerChild] = []
        #: The new worker that has to be ready before the next old one ends.
        self._successor: WorkerChild | None = None
        self._numbered = 0
        #: When each running job, and each mark on one, was first seen, by time.monotonic().
        self._seen: dict[tuple[str, str], float] = {}

    # Keep.

    def look(self, *, ending: bool = False) -> None:
        """See who died and what runs too long, and unless *ending* start who is to be started."""
        causes = self._reap(ending)
        self._keep_zygote(ending)
        now = time.monotonic()
        try:
            self._spool.reclaim(causes)
            self._enforce(now)
        except OSError as error:
            log.error("the spool does not obey: %s", error)  # a full disk, perhaps; the next look tries again
        if ending:
            return
        for worker in self.workers:
            if worker.pid is None and now >= worker.due and not worker.waits:
                start(worker)
        self._replace()

    def due(self) -> float:
        """When there is somebody to start, by time.monotonic()."""
        sleeping = [worker.due for worker in self.workers if worker.pid is None and not worker.waits]
        if self._zygote is not None and self._zygote.pid is None and self._forks:
            sleeping.append(self._zygote.due)
        return min(sleeping, default=math.inf)

    def _keep_zygote(self, ending: bool) -> None:
        """Start the zygote when there are workers to fork, and again when it has died; end it after the last worker."""
        zygote = self._zygote
        if zygote is None:
            return
        ended = zygote.reap()
        if ended is not None and not zygote.asked and not ending:
            zygote.wanted = ended != f"exit status {UNFIT}"
            wait = zygote.plan_restart(failed=not zygote.proven)
            if zygote.wanted:
                log.error("the zygote ended: %s; loading it again in %.1f s", ended, wait)
        if ending:
            if not self.workers:
                zygote.kill()
        elif zygote.late:
            log.error("the zygote has been loading for %g s", LOADING)
            zygote.kill()
        elif zygote.pid is None and self._forks and time.monotonic() >= zygote.due:
            start(zygote)

    @property
    def _forks(self) -> bool:
        """Whether there are workers for a zygote to fork."""
        return self._zygote is not None and self._zygote.wanted and self._wanted.get(GENERAL, 0) > 0

    def _reap(self, ending: bool) -> dict[str, str]:
        """Note who died, and return why by worker id."""
        causes = {}
        for worker in list(self.workers):
            was_ready = self._ready(worker)
            ended = worker.reap()
            if ended is None:
                continue
            cause = causes[worker.wid] = worker.reason or ": ".join(filter(None, [ended, worker.last_words()]))
            if worker.retired or ending:
                self.workers.remove(worker)
            elif ended == "exit status 0":
                worker.plan_restart(failed=False)  # it made way for a new one
            else:
                wait = worker.plan_restart(failed=not was_ready)
                log.error("%s ended: %s; starting it again in %.1f s", worker.name, cause, wait)
        return causes

    def _enforce(self, now: float) -> None:
        """Kill the worker of a job that is past its time, or that was cancelled and does not notice."""
        seen: dict[tuple[str, str], float] = {}
        running = self._spool.running()
        for worker in self.workers:
            lane = LANES[worker.lane]
            limit = lane.seconds(self._settings)
            for entry in running.get(worker.wid, []):
                run, mark = (worker.wid, entry.path), (worker.wid, f"{entry.path} mark")
                seen[run] = self._seen.get(run, now)
                if now - seen[run] > limit:
                    _kill(worker, f"killed after {limit:g} s ({lane.timeout_setting})")
                if self._spool.marked(entry.id):
                    seen[mark] = self._seen.get(mark, now)
                    if now - seen[mark] > CANCEL_GRACE:
                        _kill(worker, "killed because its job was cancelled")
        self._seen = seen

    # Scale.

    def scale(self, lane: str, wanted: int) -> None:
        """Start or retire workers of *lane* until there are *wanted*; none when it has no task."""
        self._wanted[lane] = wanted
        self._keep_zygote(ending=False)
        staying = [worker for worker in self.workers if worker.lane == lane and not worker.retired]
        for worker in staying[wanted:]:
            self._retire(worker)
        for _ in range(wanted - len(staying) if self._lane(lane) else 0):
            self._add(lane)

    def add(self, lane: str, more: int) -> None:
        """Have *more* workers in *lane*, or fewer."""
        self.scale(lane, max(0, self._wanted[lane] + more))

    def _add(self, lane: str) -> WorkerChild:
        self._numbered += 1
        zygote = self._zygote if lane == GENERAL else None
        worker = WorkerChild(self._numbered, lane, self._lane(lane), self._settings, self._selector, zygote)
        self.workers.append(worker)
        if not worker.waits:
            start(worker)
        return worker

    def _retire(self, worker: WorkerChild) -> None:
        if worker.pid is None:
            self.workers.remove(worker)
        else:
            worker.retire()

    def renew(self, settings: config.Settings, wanted: Mapping[str, int]) -> None:
        """Replace all workers one by one by such as know the new *settings*; have *wanted* of each lane at the end."""
        self._settings = settings
        self._wanted |= wanted
        if self._zygote is not None:
            self._zygote.renew(_single_threaded(settings), wanted=bool(settings.fork))
        self._old = [worker for worker in self.workers if not worker.retired]

    def _replace(self) -> None:
        """One step of a renewal: when the new workers are ready, retire an old one and start the next new one."""
        if not self._old:
            return
        young = [worker for worker in self.workers if not worker.retired and worker not in self._old]
        if not all(map(self._ready, young)):
            return
        if self._successor is not None:
            old, self._successor = self._old.pop(), None
            if old in self.workers and not old.retired:
                self._retire(old)
        if self._old:
            self._successor = self._add(self._old[-1].lane)
        else:
            for lane, wanted in self._wanted.items():
                self.scale(lane, wanted)

    def _ready(self, worker: WorkerChild) -> bool:
        return os.path.exists(f"{self._spool.workers}/{worker.wid}.json")

    # End.

    def retire(self) -> None:
        """Let everybody's running job be the last."""
        for worker in list(self.workers):
            if not worker.retired:
                self._retire(worker)

    def kill(self) -> None:
        """End everybody at once; those who run are gone when `look` has seen them die."""
        for worker in self.workers:
            worker.kill()
        self.workers = [worker for worker in self.workers if worker.pid is not None]

    def children(self) -> list[Child]:
        """All there are: the workers, and the zygote while it lives."""
        zygote = [] if self._zygote is None or self._zygote.pid is None else [self._zygote]
        return [*self.workers, *zygote]


def start(child: Child, *extra: str) -> None:
    """Start *child* with *extra* arguments; when the system refuses, plan another try."""
    try:
        child.start(*extra)
    except OSError as error:
        wait = child.plan_restart(failed=True)
        log.error("%s cannot be started: %s; trying again in %.1f s", child.name, error, wait)
        return
    child.due = time.monotonic()


def without_secrets(settings: config.Settings) -> dict[str, str]:
    """The environment of a child that answers no requests."""
    environment = {**os.environ, **settings.environment(), "PYTHONUNBUFFERED": "1"}
    return {name: value for name, value in environment.items() if name not in SECRETS}


def _single_threaded(settings: config.Settings) -> dict[str, str]:
    """The environment of the zygote."""
    return without_secrets(settings) | dict.fromkeys(THREAD_VARIABLES, "1")


def front_door(name: str) -> list[str]:
    """The command that runs a front door: the file of the checkout, or the module of an installation."""
    door = config.ROOT / f"{name}.py"
    module = {"server": "spoolfarm.front"}.get(name, f"spoolfarm.{name}")
    return [sys.executable, str(door)] if door.is_file() else [sys.executable, "-m", module]


def _kill(worker: WorkerChild, reason: str) -> None:
    log.warning("%s: %s", worker.name, reason)
    worker.reason = reason
    worker.kill()
