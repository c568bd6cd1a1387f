"""The actor: the tasks of one worker on a node of a Ray cluster, where they are set up once and run many times."""

from __future__ import annotations

import os
import pickle
import platform
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event
from typing import Any

from spoolfarm.errors import FarmError, TaskUnavailable
from spoolfarm.spool.job import Job
from spoolfarm.tasks import Answer, Key, Limits, Part
from spoolfarm.tasks.registry import Registry
from spoolfarm.worker.executors.local import LocalExecutor, exit_status
from spoolfarm.worker.executors.outcomes import Outcome, packed

#: Seconds between two lines of progress that are sent.
STEP = 0.1
#: Seconds of a short job, which ends in the call that began it: a stream costs as much as such a call.
MOMENT = 0.15
#: Seconds between checks whether the jobs were cancelled.
LOOK = 0.1

#: What a worker is told while jobs run: `log` and a line, `progress` and a fraction, `ended` and the outcomes.
Message = tuple[str, Any]


@dataclass(frozen=True, slots=True)
class Equipment:
    """What an actor is made of: the names of its tasks, and the settings by which they are found."""

    tasks: Sequence[str]
    paths: Mapping[str, str]
    settings: Mapping[str, Any]


def order(task: str, batch: Sequence[Job], limits: Limits) -> bytes:
    """What `Actor.begin` takes."""
    return pickle.dumps((task, batch, limits))


def versions() -> dict[str, str]:
    """The versions that must be the same in a worker and in its actor."""
    return {"Python": platform.python_version(), "Ray": _version("ray"), "spoolfarm": _version("spoolfarm")}


class Actor:
    """Runs the batches of one worker. Tasks run in one thread of their own, so that they can speak while they run."""

    def __init__(self, equipment: Equipment) -> None:
        self._equipment = equipment
        self._thread = ThreadPoolExecutor(1, "task")
        self._executor = LocalExecutor({})
        self._running: Future[None] = Future()

    def about(self) -> dict[str, Any]:
        """Where this is, and which versions run here; called before anything is loaded."""
        import ray

        about = ray.get_runtime_context()
        return {
            "versions": versions(),
            "node": ray.util.get_node_ip_address(),
            "node_id": about.get_node_id(),
            "actor": about.get_actor_id(),
            "actor_pid": os.getpid(),
            #: Whether Ray gave this process a group of its own, which it ends with it.
            "own_group": os.getpgrp() == os.getpid(),
        }

    def setup(self) -> tuple[dict[str, str], dict[str, int]]:
        """Set up every task: those that fail with the reason, and the most jobs at once of the others."""
        return self._thread.submit(self._set_up).result()

    def ping(self) -> None:
        """Answer, to show that this is alive."""

    def begin(self, order: bytes) -> bytes:
        """Begin to run the batch of an *order*, and return what happens in the first moment: of a short job, all of it.

        Orders and messages are pickled here, and not by Ray, which takes several times as long for small ones.
        """
        task, batch, limits = pickle.loads(order)
        self._context = ActorContext(limits)
        self._running = self._thread.submit(self._run, task, batch, self._context)
        said: list[Message] = []
        until = time.monotonic() + MOMENT
        while not _ended(said) and not self._running.done() and (left := until - time.monotonic()) > 0:
            said += self._context.heard(left)
        return pickle.dumps(said)

    def follow(self) -> Iterator[bytes]:
        """Tell what happens then, as it happens; the last message is `ended`."""
        while True:
            said = self._context.heard(LOOK)
            if said:
                yield pickle.dumps(said)
                if _ended(said):
                    return
            elif self._running.done():
                self._running.result()  # raises: what ran the batch has failed itself
            elif _cancelled():
                self._context.cancel()

    def _set_up(self) -> tuple[dict[str, str], dict[str, int]]:
        given = self._equipment
        registry = Registry(given.paths, (), given.settings)
        found, failed = {}, {}
        for name in given.tasks:
            try:
                found[name] = registry.get(name)
            except (TaskUnavailable, FarmError) as error:
                failed[name] = str(error)
        self._executor = LocalExecutor(found)
        failed |= self._executor.setup()
        return failed, {name: self._executor.most(name) for name in found if name not in failed}

    def _run(self, task: str, batch: Sequence[Job], context: ActorContext) -> None:
        process = os.getpid()
        try:
            outcomes = self._executor.run(task, batch, context)
            if os.getpid() != process:
                os._exit(exit_status(outcomes[0]))  # the task's own child
            context.end([packed(outcome) for outcome in outcomes])
        finally:
            context.close()


class ActorContext:
    """What the task that runs a batch may report and query, where the spool is on another machine."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._said: SimpleQueue[Message] = SimpleQueue()
        self._cancelled = Event()
        self._scratch: Path | None = None
        self._next_progress = 0.0

    # For the task.

    def log(self, line: str) -> None:
        """Add *line* to the log of each job."""
        self._said.put(("log", str(line)))

    def progress(self, fraction: float) -> None:
        """Say how much is done, 0 to 1."""
        done = float(fraction)
        if time.monotonic() >= self._next_progress:
            self._next_progress = time.monotonic() + STEP
            self._said.put(("progress", done))

    def cancelled(self) -> bool:
        """Whether every job of the batch was cancelled."""
        return self._cancelled.is_set()

    def scratch(self) -> Path:
        """A directory on this node, made on first use."""
        if self._scratch is None:
            self._scratch = Path(tempfile.mkdtemp(prefix="spoolfarm-"))
        return self._scratch

    def map(self, task: str, items: Iterable[tuple[Key, Part | FarmError]]) -> Iterator[tuple[Key, Answer | FarmError]]:
        """Raises TypeError: what has parts runs beside the spool."""
        raise TypeError("a task that has parts names them in Task.parts, and then runs where the spool is")

    # For the actor.

    def heard(self, seconds: float) -> list[Message]:
        """What has been said, all at once; empty when nothing was said for so many *seconds*."""
        said: list[Message] = []
        try:
            said.append(self._said.get(timeout=seconds))
            while True:
                said.append(self._said.get_nowait())
        except Empty:
            return said

    def cancel(self) -> None:
        """Let the task see that its jobs were cancelled."""
        self._cancelled.set()

    def end(self, outcomes: list[Outcome]) -> None:
        """Say how the jobs ended, which is the last message."""
        self._said.put(("ended", outcomes))

    def close(self) -> None:
        """Remove what the batch left."""
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)


def _ended(said: Sequence[Message]) -> bool:
    return bool(said) and said[-1][0] == "ended"


def _cancelled() -> bool:
    import ray

    return bool(ray.get_runtime_context().is_canceled())


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"
