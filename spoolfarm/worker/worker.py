"""The worker: claim, run, publish, again and again."""

from __future__ import annotations

import argparse
import faulthandler
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from spoolfarm import config
from spoolfarm.errors import FarmError, JobCancelled, TaskUnavailable
from spoolfarm.farm.farm import Farm
from spoolfarm.spool.attachments import BadAttachment
from spoolfarm.spool.doorbell import Bell
from spoolfarm.spool.job import Result, State
from spoolfarm.spool.jobfile import Claim
from spoolfarm.spool.lease import Lease, LeaseLost, new_worker_id
from spoolfarm.spool.watch import RESCAN
from spoolfarm.system import memory, process
from spoolfarm.system.output import Output
from spoolfarm.tasks import Answer, Stopping, Task
from spoolfarm.tasks.lanes import GENERAL
from spoolfarm.tasks.registry import Registry
from spoolfarm.worker.context import RunContext
from spoolfarm.worker.executors.local import LocalExecutor, text_of
from spoolfarm.worker.stats import WorkerStats

log = logging.getLogger("spoolfarm.worker")

#: Exit status of a worker that could not start: restarting it at once would not help.
BOOT_FAILED = 3
#: Seconds between attempts to write a result that the disk does not take.
DISK_RETRY = 1.0
#: Seconds that threads left by tasks get to end with their worker.
FAREWELL = 2.0
#: Seconds between checks of the memory this process holds.
MEMORY_LOOK = 1.0


class Worker:
    """One life of a worker: from taking the lease to giving it back."""

    def __init__(
        self,
        farm: Farm,
        executor: LocalExecutor,
        tasks: Sequence[str],
        full: Callable[[int], bool],
        begin_job: Callable[[], None] = lambda: None,
    ) -> None:
        self._farm = farm
        self._spool = farm.spool
        self._executor = executor
        self._tasks = tasks
        #: Whether it is time to be replaced by a new worker, given the number of jobs done.
        self._full = full
        #: Tells whoever reads what this worker prints that another job's words begin.
        self._begin_job = begin_job
        self._stopping = False
        self._done = 0
        self._stats = WorkerStats()
        self._about = {"pid": os.getpid(), "tasks": list(tasks)}
        self._parent = os.getppid()
        self._bell: Bell | None = None
        self._lease: Lease | None = None

    def stop(self, *_: object) -> None:
        """Let the running batch be the last. A signal handler."""
        self._stopping = True
        if self._bell is not None:
            self._bell.wake()

    def run(self, wid: str) -> None:
        """Work as *wid* until stopped, full, or left by the parent."""
        lease = self._lease = Lease.take(self._spool.workers, self._spool.active, wid)
        bell = self._bell = Bell(self._spool.root, wid)
        try:
            self._set_up()
        except TaskUnavailable:
            self._spool.retire(lease)
            bell.close()
            raise
        lease.announce(self._about)
        for task in self._tasks:
            self._spool.disabled.clear(task)
        log.info("ready for %s", ", ".join(self._tasks))
        cursor = self._spool.cursor(self._tasks)
        hint = None
        idle = True
        while not self._stopping and not self._full(self._done) and os.getppid() == self._parent:
            resting = not cursor.has_more and not (hint and cursor.point(hint))
            if resting:
                bell.lie_down()
                cursor.look_again()  # jobs enqueued before that did not ring for this worker
            hint = None
            try:
                if idle:
                    lease.check()
                    self._spool.take_back(lease)
                batch = self._spool.claim(lease, cursor, self._executor.most)
            except LeaseLost as error:
                log.error("this worker can claim nothing any more, and ends: %s", error)
                break
            except OSError as error:
                log.error("cannot claim: %s", error)
                batch = []
                resting = True
            if batch:
                bell.get_up()
                self._run(batch)
            lease.drop_suspects()
            if self._stats.due:
                self._tell(lease)
            idle = not batch and resting and (hint := bell.wait(RESCAN)) is None
        self._bell = None
        self._spool.retire(lease)
        bell.close()

    def _set_up(self) -> None:
        """Set up the tasks, and go on without those that fail. Raises TaskUnavailable when none is left."""
        failed = self._executor.setup()
        for task, reason in failed.items():
            self._spool.disabled.note(task, reason)
        self._tasks = [task for task in self._tasks if task not in failed]
        if not self._tasks:
            raise TaskUnavailable("; ".join(f"task {task!r}: {reason}" for task, reason in failed.items()))
        self._about["tasks"] = list(self._tasks)

    def _run(self, batch: Sequence[Claim]) -> None:
        self._begin_job()
        context = RunContext(self._farm, batch, lambda: self._stopping)
        outcomes = self._executor.run(batch[0].job.task, [claim.job for claim in batch], context)
        if os.getpid() != self._about["pid"]:
            os._exit(_status(outcomes[0]))  # the task's own child: the lease and the jobs are its parent's
        for claim, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, Stopping):
                self._spool.give_back(claim)
                continue
            self._finish(claim, result := self._result(claim, outcome))
            self._stats.count(claim.job.task, failed=result.status is State.FAILED)
            if not claim.job.durable and (context.spoke or claim.job.attempts > 1):
                self._spool.results.remove_log(claim.job.id)  # a caller that waits for the result wants no log
        context.close(ended=not any(isinstance(outcome, Stopping) for outcome in outcomes))
        self._done += len(batch)

    def _tell(self, lease: Lease) -> None:
        """Announce what this worker does."""
        try:
            lease.announce({**self._about, "done": self._stats.tell()})
        except OSError as error:
            log.warning("cannot tell what was done: %s", error)  # losing a figure is better than losing a worker

    def _finish(self, claim: Claim, result: Result) -> None:
        """Publish; while the disk does not take it, hold on to the job, which does not count as running."""
        try:
            self._publish(claim, result)
            return
        except OSError as error:
            log.error("job %s: the result cannot be written, and waits for room: %s", claim.job.id, error)
        assert self._lease is not None
        with self._lease.paused():
            while not self._stopping:
                time.sleep(DISK_RETRY)
                try:
                    self._publish(claim, result)
                    log.info("job %s: the result is written", claim.job.id)
                    return
                except OSError:
                    continue  # not yet
        try:
            self._spool.give_back(claim)
        except OSError:
            pass  # it stays claimed, and is requeued when this worker is gone

    def _publish(self, claim: Claim, result: Result) -> None:
        try:
            self._spool.finish(claim, result)
            return
        except BadAttachment as error:
            said: Exception = ValueError(f"the files of the task's answer cannot be published: {error}")
        except (TypeError, ValueError, RecursionError) as error:
            said = TypeError(f"the task's result is nothing JSON can say: {error}")
        self._spool.finish(claim, self._result(claim, said))

    def _result(self, claim: Claim, outcome: Any) -> Result:
        """How the job of *claim* ended, with the attempts that did not come so far."""
        result = _result(claim, outcome)
        return result if claim.job.attempts == 1 else replace(result, lost=self._spool.results.lost(claim.job.id))


def _result(claim: Claim, outcome: Any) -> Result:
    """How the job of *claim* ended, given what its task returned or raised."""
    job = claim.job

    def ended(status: State, **more: Any) -> Result:
        times = (job.created, claim.started, time.time())
        more |= {"source": job.source, "name": job.name, "worker": claim.worker}
        return Result(job.id, job.task, status, job.attempts, *times, **more)

    if isinstance(outcome, Answer):
        return ended(State.SUCCEEDED, result=outcome.value, files=outcome.files)
    if isinstance(outcome, FarmError):
        status = State.CANCELLED if isinstance(outcome, JobCancelled) else State.FAILED
        return ended(status, error=text_of(outcome), code=outcome.code, details=outcome.details)
    if isinstance(outcome, BaseException):
        log.error("job %s: task %s failed", job.id, job.task, exc_info=outcome)
        said = f"{type(outcome).__name__}: {text_of(outcome)}"
        return ended(State.FAILED, error=said, code="task_error")
    return ended(State.SUCCEEDED, result=outcome)


def _status(outcome: Any) -> int:
    """The exit status of a child that a task has forked and that came back with *outcome*."""
    if isinstance(outcome, SystemExit) and (outcome.code is None or isinstance(outcome.code, int)):
        return (outcome.code or 0) & 0xFF
    return int(isinstance(outcome, BaseException))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one worker; see `python worker.py --help`."""
    parser = argparse.ArgumentParser(prog="worker.py", description="One worker of the farm, alone.")
    parser.add_argument("--tasks", help="the tasks to take, with commas between (default: all of the general lane)")
    parser.add_argument("--launcher", type=int, metavar="PID", help=argparse.SUPPRESS)
    parser.add_argument("--id", default=new_worker_id(), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.launcher:
        process.die_with_parent(options.launcher)
    output = Output()
    memory.keep()
    faulthandler.enable()
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    try:
        settings = config.load()
        farm = Farm(settings=settings)
        names = options.tasks.split(",") if options.tasks else farm.tasks.lane(GENERAL)
        tasks = usable(farm.tasks, names)
        full = Recycling(settings.recycle_jobs, settings.recycle_mb, settings.max_memory_mb)
        worker = Worker(farm, LocalExecutor(tasks), list(tasks), full, output.begin_job)
    except (FarmError, OSError) as error:
        print(f"worker.py: {error}", file=sys.stderr)  # noqa: T201
        return BOOT_FAILED
    signal.signal(signal.SIGTERM, worker.stop)
    signal.signal(signal.SIGINT, worker.stop)
    status = 0
    try:
        worker.run(options.id)
    except TaskUnavailable:
        status = BOOT_FAILED  # the log says why
    leave(status)
    return status


def usable(registry: Registry, names: Sequence[str]) -> dict[str, Task]:
    """Those of the tasks *names* that can be had; the log tells of the others. Raises FarmError when none can."""
    found, problems = {}, []
    for name in names:
        try:
            found[name] = registry.get(name)
        except TaskUnavailable as error:
            problems.append(error)
    if problems and not found:
        raise problems[0]
    for problem in problems:
        log.error("%s; it is disabled", problem)
    return found


def leave(status: int) -> None:
    """Wait a moment for the threads that tasks have left, and end with *status* without those that do not end."""
    deadline = time.monotonic() + FAREWELL
    left = [each for each in threading.enumerate() if each is not threading.main_thread() and not each.daemon]
    for thread in left:
        thread.join(max(0.0, deadline - time.monotonic()))
    if staying := [thread.name for thread in left if thread.is_alive()]:
        log.warning("a task has left threads that do not end (%s): the worker ends without them", ", ".join(staying))
        logging.shutdown()
        sys.stdout.flush()
        os._exit(status)


def prepare(tasks: Sequence[str]) -> None:
    """Have each task load what workers may share. What fails here fails again in the worker, which reports it."""
    settings = config.load()
    registry = Registry(settings.tasks, settings.enable, settings.by_name())
    for name in tasks:
        try:
            registry.get(name).prepare()
        except BaseException as error:  # noqa: BLE001  # whatever a task raises is no reason to share nothing
            log.warning("nothing of the task %s is shared: %s", name, error)


class Recycling:
    """Whether a worker has done so much, or grown so large, that a new one should take its place."""

    def __init__(self, jobs: int, memory_mb: int, most_mb: int = 0) -> None:
        """*most_mb* is what kills a worker in the middle of a job: it makes way at half of that, too."""
        self._jobs = jobs
        self._memory_mb = min(memory_mb, most_mb // 2) if memory_mb and most_mb else memory_mb
        self._next_look = 0.0

    def __call__(self, done: int) -> bool:
        """True when it is, after *done* jobs; the memory is checked once in a while. A limit of 0 means none."""
        if self._jobs and done >= self._jobs:
            return True
        if not self._memory_mb or not done or time.monotonic() < self._next_look:
            return False
        self._next_look = time.monotonic() + MEMORY_LOOK
        return memory.resident_mb() > self._memory_mb
