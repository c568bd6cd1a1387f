"""A worker child: one worker of a lane as the launcher sees it, forked from the zygote or started by exec."""

from __future__ import annotations

import logging
import os
import selectors
import signal
from collections.abc import Sequence

from spoolfarm import config
from spoolfarm.launcher.child import Child
from spoolfarm.launcher.commands import SPOOL_MARK, WORKER_MARK, command, with_threads, without_secrets
from spoolfarm.launcher.zygote_child import ZygoteChild
from spoolfarm.spool.jobfile import JobFile
from spoolfarm.spool.lease import new_worker_id
from spoolfarm.system import devices, orphans

log = logging.getLogger("pool")


class WorkerChild(Child):
    """A worker of one lane, forked from the *zygote* if there is one, otherwise started by exec."""

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
        as_it_is = lane == "simulate" and not settings.threads  # it gets what it would get without the farm
        environment = without_secrets(settings) if as_it_is else with_threads(settings, threads)
        device = devices.dealt(number, environment.get(devices.VARIABLE))
        if lane != "simulate" and device is not None:
            environment[devices.VARIABLE] = device
        super().__init__(f"worker {number}", command("worker"), environment, selector)
        self.lane = lane
        self._spool_dir = settings.spool_dir
        self._tasks = ",".join(tasks)
        self._zygote = zygote
        self.wid = ""
        #: Why it was killed: in a sentence, and in a word, by which its job ends if that was at fault.
        self.reason = self.code = ""
        #: Whether it was asked to end, and is not to be restarted.
        self.retired = False
        #: Whether it has had a lease in this life, and since when it has had none, by time.monotonic().
        self.had_lease = False
        self.leaseless_since: float | None = None

    @property
    def waits(self) -> bool:
        """Whether it is to start as soon as the zygote is ready."""
        return self.pid is None and self._zygote is not None and self._zygote.loading

    def start(self, *extra: str) -> None:
        self.wid = new_worker_id()
        self.reason = self.code = ""
        self.had_lease = False
        self.leaseless_since = None
        self.environment |= {WORKER_MARK: self.wid, SPOOL_MARK: os.path.abspath(self._spool_dir)}
        arguments = ["--id", self.wid, "--launcher", str(os.getpid()), "--tasks", self._tasks, *extra]
        if self._zygote is not None and self._zygote.ready:
            self._watch(self._zygote.fork(arguments, self.environment))
        else:
            super().start(*arguments)

    def kill(self) -> None:
        """Kill it and everything it started, at once, also what has left its session and forgotten its marks."""
        if self.pid is not None:
            orphans.kill_unmarked(self.pid, {WORKER_MARK: self.wid})
        super().kill()

    def reap(self) -> str | None:
        """How it ended, if it has; what its tasks started in other sessions ends with it."""
        ended = super().reap()
        if ended is not None:
            orphans.kill_marked({WORKER_MARK: self.wid})
        return ended

    def kill_for(self, reason: str, code: str, job: JobFile | None = None) -> None:
        """Kill it at once, and remember why: in a sentence, and in a word. It may be for the *job* that it has."""
        log.warning("%s: %s%s", self.name, reason, f"; it has job {job.id}" if job else "")
        self.reason, self.code = reason, code
        self.kill()

    def retire(self) -> None:
        """Let the running job be its last."""
        self.retired = True
        self.signal(signal.SIGTERM)
