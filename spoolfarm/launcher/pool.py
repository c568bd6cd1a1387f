"""The pool: the workers of one farm, each restarted when it dies, and killed when its job runs too long."""

from __future__ import annotations

import logging
import math
import os
import selectors
import time
from collections.abc import Callable, Mapping, Sequence

from spoolfarm import config
from spoolfarm.launcher.child import Child
from spoolfarm.launcher.commands import command, with_threads
from spoolfarm.launcher.memory_watch import MemoryWatch
from spoolfarm.launcher.worker_child import WorkerChild
from spoolfarm.launcher.zygote_child import LOADING, UNFIT, ZygoteChild
from spoolfarm.spool import files, lease
from spoolfarm.spool.job import State
from spoolfarm.spool.jobfile import JobFile, job_files
from spoolfarm.spool.spool import Spool
from spoolfarm.system.orphans import Reaper
from spoolfarm.tasks.lanes import GENERAL, LANES

log = logging.getLogger("pool")

#: Seconds that a task gets to notice that its job was cancelled, before its worker is killed.
CANCEL_GRACE = 5.0
#: Seconds that a worker may live on after it has lost its lease or given it back.
LAST_WILL = 5.0
#: By this code a job ends that took more memory than a worker may hold.
TOO_MUCH_MEMORY = "too_much_memory"
#: Seconds between checks, which come every second, that only a suspended machine can explain.
PAUSE = 5.0


class WorkerPool:
    """Acts when `look` is called, which its process does every second or so, and when a child dies."""

    def __init__(
        self,
        spool: Spool,
        settings: config.Settings,
        lane: Callable[[str], Sequence[str]],
        selector: selectors.BaseSelector,
        shared: Sequence[str] = (),
    ) -> None:
        """*lane* returns the tasks of a lane; *selector* watches what the workers print, for its owner to pass on.

        With *shared* tasks, which have something to share, the general workers are forked. This process is their parent
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
        self._memory = MemoryWatch(settings.max_memory_mb)
        #: Ends what tasks have left, even when this process is killed.
        self.reaper = Reaper()
        self._share(shared)
        #: Workers that are still to be replaced by new ones.
        self._old: list[WorkerChild] = []
        #: The new worker that must be ready before the next old one ends.
        self._successor: WorkerChild | None = None
        self._numbered = 0
        #: When each running job, and each mark on one, was first seen, by worker id and path, by time.monotonic().
        self._running_since: dict[tuple[str, str], float] = {}
        self._enforced = time.monotonic()
        self._marked_since: dict[tuple[str, str], float] = {}
        #: Why workers died whose jobs have not been given back yet, by worker id: in a sentence, and in a word.
        self._causes: dict[str, str] = {}
        self._reasons: dict[str, str] = {}

    def _share(self, shared: Sequence[str]) -> None:
        """Have the zygote load the *shared* tasks, if there are any."""
        words = [*command("launcher.zygote"), "--tasks", ",".join(shared)]
        environment, wanted = with_threads(self._settings, 1) | self.reaper.mark, bool(shared and self._settings.fork)
        if self._zygote is not None:
            self._zygote.renew(words, environment, wanted=wanted)
        elif shared:
            self._zygote = ZygoteChild(words, environment, self._selector, wanted=wanted)

    # Keep.

    def look(self, *, ending: bool = False) -> None:
        """Find which workers died and what runs too long, and unless *ending* start the workers that are due."""
        self._reap(ending)
        self._keep_zygote(ending)
        now = time.monotonic()
        try:
            self._reclaim()
            self._enforce(now)
        except OSError as error:
            log.error("the spool does not obey: %s", error)  # a full disk, perhaps; the next call tries again
        if ending:
            return
        self._keep_reaper()
        for worker in self.workers:
            if worker.pid is None and now >= worker.due and not worker.waits:
                worker.try_start()
        self._replace()

    def watch_memory(self) -> float:
        """Kill the workers whose jobs take too much memory; return when to call again, by time.monotonic()."""
        for worker, held in self._memory.over([each for each in self.workers if each.pid is not None]):
            if not worker.code and files.names(f"{self._spool.active}/{worker.wid}"):
                said = f"the worker held {held} MiB, and the limit is {self._memory.limit_mb} MiB (FARM_MAX_MEMORY_MB)"
                worker.kill_for(f"its job took too much memory: {said}", TOO_MUCH_MEMORY)
        return self._memory.due if self._memory.limit_mb else math.inf

    def due(self) -> float:
        """When a worker is to be started, by time.monotonic()."""
        sleeping = [worker.due for worker in self.workers if worker.pid is None and not worker.waits]
        if self._zygote is not None and self._zygote.pid is None and self._forks:
            sleeping.append(self._zygote.due)
        return min(sleeping, default=math.inf)

    def _keep_reaper(self) -> None:
        """See that what the workers' tasks leave has somebody to end it."""
        try:
            self.reaper.keep()
        except OSError as error:
            log.error("the reaper cannot be started: %s", error)  # the next look tries again

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
            zygote.try_start()

    @property
    def _forks(self) -> bool:
        """Whether there are workers for a zygote to fork."""
        return self._zygote is not None and self._zygote.wanted and self._wanted.get(GENERAL, 0) > 0

    def _reap(self, ending: bool) -> None:
        """Record which workers died, and why."""
        for worker in list(self.workers):
            was_ready = self._ready(worker)
            ended = worker.reap()
            if ended is None:
                self._judge(worker)
                continue
            jobs = self._jobs(worker.wid)
            words = worker.last_words(_claimed(jobs))
            cause = self._causes[worker.wid] = worker.reason or ": ".join(filter(None, [ended, words]))
            reason = self._reasons[worker.wid] = worker.code or _word(ended)
            if worker.retired or ending:
                self.workers.remove(worker)
            elif ended == "exit status 0":
                worker.plan_restart(failed=False)  # it ended to be replaced by a new one
                self._spool.counts.add({("restarts", worker.lane, reason): 1.0})
            else:
                wait = worker.plan_restart(failed=not was_ready)
                self._spool.counts.add({("restarts", worker.lane, reason if was_ready else "not_ready"): 1.0})
                fields = {"worker": worker.wid, "jobs": [file.id for file in jobs], "reason": reason}
                said = "%s ended%s: %s; starting it again in %.1f s"
                log.error(said, worker.name, _with(jobs), cause, wait, extra={"fields": fields})

    def _reclaim(self) -> None:
        """Give back what the dead had, and forget why they died unless something is left of that."""
        self._spool.reclaim(self._causes, self._reasons, {each.wid for each in self.workers if each.pid is not None})
        left = self._causes.keys() & set(files.names(self._spool.active)) if self._causes else ()
        self._causes = {wid: self._causes[wid] for wid in left}
        self._reasons = {wid: self._reasons[wid] for wid in left}

    def _jobs(self, wid: str) -> list[JobFile]:
        """What the worker has claimed."""
        return list(job_files(f"{self._spool.active}/{wid}", State.RUNNING))

    def _judge(self, worker: WorkerChild) -> None:
        """Kill a worker that lives on without its lease: the lease was removed, or the worker does not end."""
        if worker.pid is None:
            return
        now = time.monotonic()
        try:
            held = lease.alive(self._spool.workers, worker.wid)
        except OSError as error:
            log.error("%s cannot be judged: %s", worker.name, error)  # no descriptor is left, perhaps
            return
        worker.had_lease = worker.had_lease or held or os.path.isdir(f"{self._spool.active}/{worker.wid}")
        if held or not worker.had_lease:
            worker.leaseless_since = None
            return
        worker.leaseless_since = worker.leaseless_since or now
        if now - worker.leaseless_since > LAST_WILL:
            worker.kill_for("killed because it has no lease any more", "lease_lost")

    def _enforce(self, now: float) -> None:
        """Kill the worker of a job that is past its time limit, or that was cancelled and does not notice."""
        running_since = self._running_since
        marked_since = self._marked_since
        self._running_since = {}
        self._marked_since = {}
        passed = now - self._enforced
        self._enforced = now
        stopped = passed if passed > PAUSE else 0.0  # the machine slept, or its container was paused
        running = self._spool.running()
        for worker in self.workers:
            lane = LANES[worker.lane]
            limit = lane.seconds(self._settings)
            for file in running.get(worker.wid, []):
                run = worker.wid, file.path
                waited = passed if lease.waits(self._spool.workers, worker.wid) else stopped
                self._running_since[run] = min(now, running_since.get(run, now) + waited)
                if now - self._running_since[run] > limit:
                    worker.kill_for(f"killed after {limit:g} s ({lane.timeout_setting})", "timeout", file)
                if self._spool.marked(file.id):
                    self._marked_since[run] = min(now, marked_since.get(run, now) + stopped)
                    if now - self._marked_since[run] > CANCEL_GRACE:
                        worker.kill_for("killed because its job was cancelled", "cancelled", file)

    # Scale.

    def scale(self, lane: str, wanted: int) -> None:
        """Start or retire workers of *lane* until there are *wanted*; none when it has no task."""
        if wanted:
            self._keep_reaper()
        self._wanted[lane] = wanted
        self._keep_zygote(ending=False)
        staying = [worker for worker in self.workers if worker.lane == lane and not worker.retired]
        for worker in staying[wanted:]:
            self._retire(worker)
        for _ in range(wanted - len(staying) if self._lane(lane) else 0):
            self._add(lane)

    def wanted(self, lane: str) -> int:
        """How many workers *lane* is to have."""
        return self._wanted.get(lane, 0)

    def staff(self, lane: str) -> tuple[int, int]:
        """How many workers of *lane* are ready and stay, and how many of those had a job at the last look."""
        ready = {each.wid for each in self.workers if each.lane == lane and not each.retired and self._ready(each)}
        return len(ready), len(ready & {wid for wid, _ in self._running_since})

    def add(self, lane: str, more: int) -> None:
        """Have *more* workers in *lane*, or fewer."""
        self.scale(lane, max(0, self._wanted[lane] + more))

    def _add(self, lane: str) -> WorkerChild:
        self._numbered += 1
        zygote = self._zygote if lane == GENERAL else None
        worker = WorkerChild(self._numbered, lane, self._lane(lane), self._settings, self._selector, zygote)
        worker.environment |= self.reaper.mark
        self.workers.append(worker)
        if not worker.waits:
            worker.try_start()
        return worker

    def _retire(self, worker: WorkerChild) -> None:
        if worker.pid is None:
            self.workers.remove(worker)
        else:
            worker.retire()

    def renew(
        self,
        settings: config.Settings,
        wanted: Mapping[str, int],
        spool: Spool,
        lane: Callable[[str], Sequence[str]],
        shared: Sequence[str] = (),
    ) -> None:
        """Replace all workers one by one by such as know what has changed; have *wanted* of each lane at the end."""
        self._spool, self._settings, self._lane = spool, settings, lane
        self._wanted |= wanted
        self._memory = MemoryWatch(settings.max_memory_mb)
        self._share(shared)
        self._old = [worker for worker in self.workers if not worker.retired]
        self._successor = None  # of a renewal that this one overtakes: it is old, too

    def _replace(self) -> None:
        """One step of a renewal: when the new workers are ready, retire an old one and start the next new one."""
        if not self._old:
            return
        young = [worker for worker in self.workers if not worker.retired and worker not in self._old]
        if not all(map(self._ready, young)):
            return
        if self._successor is not None:
            old = self._old.pop()
            self._successor = None
            if old in self.workers and not old.retired:
                self._retire(old)
        while self._old and not self._lane(self._old[-1].lane):
            old = self._old.pop()  # its lane has no task any more
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
        """Let each worker's running job be its last."""
        for worker in list(self.workers):
            if not worker.retired:
                self._retire(worker)

    def kill(self) -> None:
        """Kill all workers at once; those that run are gone when `look` has seen them die."""
        for worker in self.workers:
            worker.kill()
        self.workers = [worker for worker in self.workers if worker.pid is not None]

    def close(self) -> None:
        """End what their tasks have left, once the workers are gone."""
        self.reaper.close()

    def children(self) -> list[Child]:
        """All children: the workers, and the zygote while it lives."""
        zygote = [] if self._zygote is None or self._zygote.pid is None else [self._zygote]
        return [*self.workers, *zygote]


def _word(ended: str) -> str:
    """How a worker *ended* that nobody killed for a reason, for counting."""
    if ended == "exit status 0":
        return "recycled"
    return "exited" if ended.startswith("exit") else "killed"


def _claimed(jobs: Sequence[JobFile]) -> float:
    """When a worker claimed the *jobs* that it has, as a time.time(); 0 when it has none."""
    try:
        return min((os.lstat(file.path).st_ctime for file in jobs), default=0.0)
    except OSError:
        return 0.0  # somebody else has given them back already


def _with(jobs: Sequence[JobFile]) -> str:
    """Which *jobs* it had, as a part of a sentence."""
    return f" with job {', '.join(file.id for file in jobs)}" if jobs else ""
