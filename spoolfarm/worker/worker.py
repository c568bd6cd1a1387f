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
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from spoolfarm import config
from spoolfarm.errors import FarmError, JobCancelled, TaskUnavailable
from spoolfarm.farm.farm import Farm
from spoolfarm.spool import job_log
from spoolfarm.spool.attachments import BadAttachment
from spoolfarm.spool.counts import UNKNOWN, WorkerCounts
from spoolfarm.spool.doorbell import Bell
from spoolfarm.spool.job import Job, Result, State
from spoolfarm.spool.jobfile import Claim
from spoolfarm.spool.lease import Lease, LeaseLost, new_worker_id
from spoolfarm.spool.watch import RESCAN
from spoolfarm.system import log_lines, memory, process
from spoolfarm.system.output import Output
from spoolfarm.tasks import Answer, Stopping, Task
from spoolfarm.tasks.lanes import GENERAL
from spoolfarm.tasks.registry import Registry
from spoolfarm.worker import tracing
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
#: Characters of a traceback that a record keeps, the last ones.
LONGEST_TRACEBACK = 8000


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
        self._counts: WorkerCounts | None = None
        self._tracer: tracing.Tracer | None = None
        #: Whether the log is to tell of each job, which is known when it runs.
        self._tells = False

    def stop(self, *_: object) -> None:
        """Let the running batch be the last. A signal handler."""
        self._stopping = True
        if self._bell is not None:
            self._bell.wake()

    def run(self, wid: str) -> None:
        """Work as *wid* until stopped, full, or left by the parent."""
        lease = self._lease = Lease.take(self._spool.workers, self._spool.active, wid)
        bell = self._bell = Bell(self._spool.root, wid)
        self._counts = self._spool.counts.of(wid)
        self._tells = job_log.wanted()
        try:
            self._set_up()
        except TaskUnavailable:
            self._spool.retire(lease)
            bell.close()
            raise
        if address := self._farm.settings.traces:
            self._tracer = tracing.begin(address, wid, self._spool.results.lost)
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
        self._counts.close()
        bell.close()
        if self._tracer is not None:
            self._tracer.close()

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
        if self._tells:
            log_lines.about(**_about(batch))
        assert self._lease is not None
        context = RunContext(self._farm, batch, lambda: self._stopping, self._lease.paused)
        trace = self._tracer.begin(batch) if self._tracer is not None else None
        outcomes = self._executor.run(batch[0].job.task, [claim.job for claim in batch], context)
        if os.getpid() != self._about["pid"]:
            os._exit(_status(outcomes[0]))  # the task's own child: the lease and the jobs are its parent's
        if self._tells:
            log_lines.about()
        if trace is not None:
            trace.ran()
        for claim, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, Stopping):
                self._spool.give_back(claim)
                if trace is not None:
                    trace.ended(claim, None)
                continue
            if (result := self._finish(claim, self._result(claim, outcome))) is not None:
                self._count(claim, result)
            if trace is not None:
                trace.ended(claim, result)
            if not claim.job.durable and (context.spoke or claim.job.attempts > 1):
                self._spool.results.remove_log(claim.job.id)  # a caller that waits for the result wants no log
        assert self._counts is not None
        self._counts.write()
        context.close(ended=not any(isinstance(outcome, Stopping) for outcome in outcomes))
        self._done += len(batch)

    def _tell(self, lease: Lease) -> None:
        """Announce what this worker does."""
        try:
            lease.announce({**self._about, "done": self._stats.tell()})
        except OSError as error:
            log.warning("cannot tell what was done: %s", error)  # losing a figure is better than losing a worker

    def _count(self, claim: Claim, result: Result) -> None:
        """Count the end of a job, and tell of it where that is wanted."""
        assert self._counts is not None
        job, status = claim.job, result.status
        self._stats.count(job.task, failed=status is State.FAILED)
        outcome = "succeeded" if status is State.SUCCEEDED else str(status)  # an enum's hash is slow
        waited, ran = claim.started - job.created, result.finished - claim.started
        self._counts.count(job.task, outcome, job.source or UNKNOWN, waited, ran)
        if self._tells:
            job_log.tell(result.record())

    def _finish(self, claim: Claim, result: Result) -> Result | None:
        """Publish; while the disk does not take it, hold on to the job, which does not count as running.

        Returns what was published: another result when JSON cannot say this one, and None when there was no room.
        """
        try:
            return self._publish(claim, result)
        except OSError as error:
            log.error("job %s: the result cannot be written, and waits for room: %s", claim.job.id, error)
        assert self._lease is not None
        with self._lease.paused():
            while not self._stopping:
                time.sleep(DISK_RETRY)
                try:
                    result = self._publish(claim, result)
                    log.info("job %s: the result is written", claim.job.id)
                    return result
                except OSError:
                    continue  # not yet
        try:
            self._spool.give_back(claim)
        except OSError:
            pass  # it stays claimed, and is requeued when this worker is gone
        return None

    def _publish(self, claim: Claim, result: Result) -> Result:
        try:
            self._spool.finish(claim, result)
            return result
        except BadAttachment as error:
            said: Exception = ValueError(f"the files of the task's answer cannot be published: {error}")
        except (TypeError, ValueError, RecursionError) as error:
            said = TypeError(f"the task's result is nothing JSON can say: {error}")
        result = self._result(claim, said)
        self._spool.finish(claim, result)
        return result

    def _result(self, claim: Claim, outcome: Any) -> Result:
        """How the job of *claim* ended, with the attempts that did not come so far."""
        result = _result(claim, outcome)
        return result if claim.job.attempts == 1 else replace(result, lost=self._spool.results.lost(claim.job.id))


def _result(claim: Claim, outcome: Any) -> Result:
    """How the job of *claim* ended, given what its task returned or raised."""
    job = claim.job

    def ended(status: State, **more: Any) -> Result:
        times = (job.created, claim.started, time.time())
        return Result(
            job.id,
            job.task,
            status,
            job.attempts,
            *times,
            source=job.source,
            name=job.name,
            request_id=job.request_id,
            traceparent=job.traceparent,
            worker=claim.worker,
            **more,
        )

    if isinstance(outcome, Answer):
        return ended(State.SUCCEEDED, result=outcome.value, files=outcome.files)
    if isinstance(outcome, FarmError):
        status = State.CANCELLED if isinstance(outcome, JobCancelled) else State.FAILED
        return ended(status, error=text_of(outcome), code=outcome.code, details=outcome.details)
    if isinstance(outcome, BaseException):
        about = {"fields": _about([claim])}
        log.error("job %s%s: task %s failed", job.id, asked(job), job.task, exc_info=outcome, extra=about)
        said = f"{type(outcome).__name__}: {text_of(outcome)}"
        trace = "".join(traceback.format_exception(outcome))[-LONGEST_TRACEBACK:]
        return ended(State.FAILED, error=said, code="task_error", details={"traceback": trace})
    return ended(State.SUCCEEDED, result=outcome)


def _about(batch: Sequence[Claim]) -> dict[str, Any]:
    """What the lines of a worker say beside their own, while it runs *batch*."""
    first = batch[0].job
    if len(batch) > 1:
        return {"ids": [claim.job.id for claim in batch], "task": first.task}
    known = {"request_id": first.request_id, "trace_id": job_log.trace_id(first.traceparent)}
    return {"id": first.id, "task": first.task, "attempt": first.attempts, **known}


def asked(job: Job) -> str:
    """Which request submitted *job*, as a part of a line of the log."""
    return f" (request {job.request_id})" if job.request_id else ""


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
    log_lines.begin("text", "worker")
    try:
        settings = config.load()
        log_lines.begin(settings.log, "worker")
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
