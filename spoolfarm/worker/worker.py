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
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from spoolfarm import config
from spoolfarm.errors import FarmError, JobCancelled, TaskUnavailable
from spoolfarm.farm.farm import Farm
from spoolfarm.spool import job_log
from spoolfarm.spool.attachments import BadAttachment
from spoolfarm.spool.buckets import Cursor
from spoolfarm.spool.counts import UNKNOWN, WorkerCounts
from spoolfarm.spool.doorbell import Bell
from spoolfarm.spool.job import NOTHING, Job, Result, State
from spoolfarm.spool.jobfile import Claim
from spoolfarm.spool.lease import Lease, LeaseLost, new_worker_id
from spoolfarm.spool.watch import RESCAN
from spoolfarm.system import log_lines, memory, process
from spoolfarm.system.output import Output
from spoolfarm.tasks import Answer, Stopping
from spoolfarm.tasks.lanes import GENERAL
from spoolfarm.worker import tracing
from spoolfarm.worker.context import RunContext
from spoolfarm.worker.equipment import executor, usable
from spoolfarm.worker.executors import AttemptLost, Executor
from spoolfarm.worker.executors.local import exit_status, text_of
from spoolfarm.worker.recycling import Recycling
from spoolfarm.worker.stats import WorkerStats

log = logging.getLogger("spoolfarm.worker")

#: Exit status of a worker that could not start: restarting it at once would not help.
BOOT_FAILED = 3
#: Seconds between attempts to write a result that the disk does not take.
DISK_RETRY = 1.0
#: Seconds that threads left by tasks get to end with their worker.
FAREWELL = 2.0
#: Characters of a traceback that a record keeps, the last ones.
LONGEST_TRACEBACK = 8000


class Worker:
    """One life of a worker: from taking the lease to giving it back."""

    def __init__(
        self,
        farm: Farm,
        executor: Executor,
        full: Callable[[int], bool],
        begin_job: Callable[[], None] = lambda: None,
    ) -> None:
        self._farm = farm
        self._spool = farm.spool
        self._executor = executor
        #: Whether its executor has to be set up again.
        self._unwell = False
        #: Whether it is time to be replaced by a new worker, given the number of jobs done.
        self._full = full
        #: Tells whoever reads what this worker prints that another job's words begin.
        self._begin_job = begin_job
        self._stopping = False
        self._done = 0
        self._stats = WorkerStats()
        #: What it announces, once it is ready.
        self._about: dict[str, Any] = {}
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
            cursor = self._set_up(lease)
        except TaskUnavailable:
            self._end(lease, bell)
            raise
        except Stopping:
            self._end(lease, bell)
            return
        if address := self._farm.settings.traces:
            self._tracer = tracing.begin(address, wid, self._spool.results.lost)
        hint = None
        idle = True
        while not self._stopping and not self._full(self._done) and os.getppid() == self._parent:
            if self._unwell or (idle and not self._executor.well()):
                bell.get_up()
                lease.withdraw()
                try:
                    cursor = self._set_up(lease)
                except (Stopping, TaskUnavailable):
                    break
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
        self._end(lease, bell)

    def _end(self, lease: Lease, bell: Bell) -> None:
        assert self._counts is not None
        self._bell = None
        self._spool.retire(lease)
        self._counts.close()
        bell.close()
        self._executor.close()
        if self._tracer is not None:
            self._tracer.close()

    def _set_up(self, lease: Lease) -> Cursor:
        """Set up the tasks, announce those that do not fail, and return a place in their queue.

        Raises TaskUnavailable when there is none, and Stopping when the worker is to end before.
        """
        failed = self._executor.setup(self._wait)
        self._unwell = False
        for task, reason in failed.items():
            self._spool.disabled.note(task, reason)
        tasks = self._executor.tasks()
        if not tasks:
            raise TaskUnavailable("; ".join(f"task {task!r}: {reason}" for task, reason in failed.items()))
        self._about = {"pid": os.getpid(), "tasks": tasks, **self._executor.about()}
        lease.announce(self._about)
        for task in tasks:
            self._spool.disabled.clear(task)
        log.info("ready for %s", ", ".join(tasks))
        return self._spool.cursor(tasks)

    def _wait(self) -> None:
        """Let a moment pass while the executor waits for something. Raises Stopping when this worker is to end."""
        assert self._bell is not None
        self._bell.wait(RESCAN)
        if self._stopping or os.getppid() != self._parent:
            raise Stopping

    def _run(self, batch: Sequence[Claim]) -> None:
        self._begin_job()
        if self._tells:
            log_lines.about(**_about(batch))
        assert self._lease is not None
        context = RunContext(self._farm, batch, lambda: self._stopping, self._lease.paused)
        trace = self._tracer.begin(batch) if self._tracer is not None else None
        outcomes = self._executor.run(batch[0].job.task, [claim.job for claim in batch], context)
        if os.getpid() != self._about["pid"]:
            os._exit(exit_status(outcomes[0]))  # the task's own child: the lease and the jobs are its parent's
        if self._tells:
            log_lines.about()
        if trace is not None:
            trace.ran()
        for claim, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, (Stopping, AttemptLost)):
                self._let_go(claim, outcome, alone=len(batch) == 1)
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
        context.close(ended=not any(isinstance(outcome, (Stopping, AttemptLost)) for outcome in outcomes))
        self._done += len(batch)

    def _let_go(self, claim: Claim, why: Stopping | AttemptLost, *, alone: bool) -> None:
        """Give a job back that was not run to its end."""
        if isinstance(why, Stopping):
            self._spool.give_back(claim)
            return
        self._unwell = True
        log.warning("job %s%s: attempt %d ended: %s", claim.job.id, asked(claim.job), claim.job.attempts, why.cause)
        try:
            self._spool.lose(claim, why.cause, why.reason, alone=alone, blamed=why.blamed)
        except OSError as error:
            log.error("job %s: cannot be given back yet: %s", claim.job.id, error)  # it is when this worker is gone

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
        return result if claim.job.attempts == 1 else result._replace(lost=self._spool.results.lost(claim.job.id))


def _result(claim: Claim, outcome: Any) -> Result:
    """How the job of *claim* ended, given what its task returned or raised."""
    if isinstance(outcome, Answer):
        return _ended(claim, State.SUCCEEDED, outcome.value, files=outcome.files)
    if isinstance(outcome, FarmError):
        status = State.CANCELLED if isinstance(outcome, JobCancelled) else State.FAILED
        return _ended(claim, status, None, text_of(outcome), outcome.code, details=outcome.details)
    if isinstance(outcome, BaseException):
        job, about = claim.job, {"fields": _about([claim])}
        log.error("job %s%s: task %s failed", job.id, asked(job), job.task, exc_info=outcome, extra=about)
        said = f"{type(outcome).__name__}: {text_of(outcome)}"
        trace = "".join(traceback.format_exception(outcome))[-LONGEST_TRACEBACK:]
        return _ended(claim, State.FAILED, None, said, "task_error", details={"traceback": trace})
    return _ended(claim, State.SUCCEEDED, outcome)


def _ended(
    claim: Claim,
    status: State,
    value: Any,
    error: str | None = None,
    code: str | None = None,
    files: Mapping[str, bytes | Path] = NOTHING,
    details: Mapping[str, Any] = NOTHING,
) -> Result:
    """The result of the job of *claim*, which has ended now."""
    job, now = claim.job, time.time()
    origin = job.source, job.name, job.request_id, job.traceparent, claim.worker
    times = job.created, claim.started, now
    return Result(job.id, job.task, status, job.attempts, *times, value, error, code, files, details, *origin)


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


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one worker; see `python worker.py --help`."""
    parser = argparse.ArgumentParser(prog="worker.py", description="One worker of the farm, alone.")
    parser.add_argument("--tasks", help="the tasks to take, with commas between (default: all of the general lane)")
    parser.add_argument("--launcher", type=int, metavar="PID", help=argparse.SUPPRESS)
    parser.add_argument("--id", default=new_worker_id(), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.launcher:
        process.die_with_parent(options.launcher)
    process.end_at_once()
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
        worker = Worker(farm, executor(tasks, farm), full, output.begin_job)
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
