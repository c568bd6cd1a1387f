"""The actor: the tasks of one worker on a node of a Ray cluster, where they are set up once and run many times."""

from __future__ import annotations

import os
import pickle
import platform
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from threading import Condition, Event, Lock
from typing import Any

from spoolfarm.errors import FarmError, TaskUnavailable
from spoolfarm.spool.job import Job
from spoolfarm.tasks import Answer, Key, Limits, Part
from spoolfarm.tasks.registry import Registry
from spoolfarm.worker.executors.local import LocalExecutor, exit_status
from spoolfarm.worker.executors.outcomes import packed

#: Seconds between two lines of progress that are sent.
STEP = 0.1
#: The threads beside the one in which tasks run.
ASIDE = "aside"

#: What a task says while it runs: `log` and a line, or `progress` and a fraction.
Message = tuple[str, Any]


@dataclass(frozen=True, slots=True)
class Equipment:
    """What an actor is made of: the names of its tasks, and the settings by which they are found."""

    tasks: Sequence[str]
    paths: Mapping[str, str]
    settings: Mapping[str, Any]


def order(number: int, task: str, batch: Sequence[Job], limits: Limits) -> bytes:
    """What `Actor.run` takes; the *number* of a batch is above those before."""
    return pickle.dumps((number, task, batch, limits))


def versions() -> dict[str, str]:
    """The versions that must be the same in a worker and in its actor."""
    return {"Python": platform.python_version(), "Ray": _version("ray"), "spoolfarm": _version("spoolfarm")}


class Actor:
    """Runs the batches of one worker, all in one thread; `hear` and `cancel` are called aside."""

    def __init__(self, equipment: Equipment) -> None:
        self._equipment = equipment
        self._executor = LocalExecutor({})
        self._lock = Lock()
        self._context = ActorContext(0)

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

    def ping(self) -> None:
        """Answer, to show that this is alive."""

    def run(self, order: bytes) -> bytes:
        """Run the batch of an *order*; return what it has said and nobody has heard yet, and its outcomes.

        What travels is pickled here, and not by Ray, which takes several times as long for small things.
        """
        number, task, batch, limits = pickle.loads(order)
        context = self._context_of(number)
        context.limits = limits
        process = os.getpid()
        try:
            outcomes = self._executor.run(task, batch, context)
            if os.getpid() != process:
                os._exit(exit_status(outcomes[0]))  # the task's own child
            ended = [packed(outcome) for outcome in outcomes]
        finally:
            context.close()
        return pickle.dumps((context.heard(), ended))

    def hear(self, number: int) -> bytes:
        """What the batch *number* has said, as soon as it says something; nothing when it has ended."""
        return pickle.dumps(self._context_of(number).heard())

    def cancel(self, number: int) -> None:
        """Let the batch *number*, unless it has ended, see that all of its jobs were cancelled."""
        if (context := self._context_of(number)).number == number:
            context.cancel()

    def _context_of(self, number: int) -> ActorContext:
        """That of the batch *number*, made when it is first asked for: calls from aside may come before the batch.

        When that batch is over, it is the one of the last.
        """
        with self._lock:
            if self._context.number < number:
                self._context = ActorContext(number)
            return self._context


class ActorContext:
    """What the task that runs a batch may report and query, where the spool is on another machine."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.limits = Limits()
        self._said: list[Message] = []
        self._news = Condition()
        self._ended = False
        self._cancelled = Event()
        self._scratch: Path | None = None
        self._next_progress = 0.0

    # For the task.

    def log(self, line: str) -> None:
        """Add *line* to the log of each job."""
        self._say("log", str(line))

    def progress(self, fraction: float) -> None:
        """Say how much is done, 0 to 1."""
        done = float(fraction)
        if time.monotonic() >= self._next_progress:
            self._next_progress = time.monotonic() + STEP
            self._say("progress", done)

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

    def heard(self) -> list[Message]:
        """What has been said since the last call, as soon as there is something; nothing when the batch has ended."""
        with self._news:
            self._news.wait_for(lambda: self._said or self._ended)
            said, self._said = self._said, []
            return said

    def cancel(self) -> None:
        """Let the task see that its jobs were cancelled."""
        self._cancelled.set()

    def close(self) -> None:
        """Say no more, and remove what the batch left."""
        with self._news:
            self._ended = True
            self._news.notify_all()
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)

    def _say(self, kind: str, what: Any) -> None:
        with self._news:
            self._said.append((kind, what))
            self._news.notify_all()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"
