"""The world: processes that share one disk, of which one runs at a time: a seed says which, and what befalls it."""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from greenlet import getcurrent, greenlet

from tests.simulation.disk import Disk, Node
from tests.simulation.options import Options

if TYPE_CHECKING:
    from spoolfarm.farm.farm import Farm
    from tests.simulation.watches import SimulatedWatch

#: The errors that a call may end with, if it is made at a bad moment.
ERRORS = {
    "open": (errno.EMFILE, errno.EIO),
    "create": (errno.ENOSPC, errno.EMFILE, errno.EIO),
    "read": (errno.EIO,),
    "write": (errno.ENOSPC, errno.EIO),
    "fsync": (errno.EIO, errno.ENOSPC),
    "close": (errno.EIO,),
    "rename": (errno.ENOSPC, errno.EIO),
    "link": (errno.ENOSPC, errno.EIO),
    "unlink": (errno.EIO,),
    "mkdir": (errno.ENOSPC, errno.EIO),
    "rmdir": (errno.EIO,),
    "listdir": (errno.EMFILE, errno.EIO),
}
#: Calls between two looks of the world at how far things have come.
PERIOD = 50
#: When every schedule begins, in seconds since the epoch.
BEGINNING = 1_800_000_000.0


class Killed(BaseException):
    """The process is dead: whatever it still wants to do has no effect."""


class Violation(Exception):
    """A law does not hold."""


@dataclass(eq=False)
class Process:
    """One process, which does *body*."""

    name: str
    body: Callable[[Process], None]
    farm: Farm
    #: What it does at the moment, and to which job: what it may change depends on that.
    act: str = "start"
    about: str = ""
    #: How many acts it has begun or ended.
    acts: int = 0
    #: Of the job that it queues again: how often it had been forgotten before.
    forgets: int = 0
    #: Whether one of its calls has failed by chance since `act` began.
    struck: bool = False
    dead: bool = False
    #: When it wakes, by the world's clock.
    due: float = 0.0
    greenlet: Any = None
    #: Ends its waiting in an orderly way.
    stop: Callable[[], None] = lambda: None

    def __str__(self) -> str:
        return f"{self.name} ({self.act}{' ' if self.about else ''}{self.about})"


@dataclass
class World:
    """All that a schedule consists of."""

    options: Options
    #: Is told of every name that moves, comes or goes; raises Violation.
    judge: Callable[[str | None, str | None, Node, Node | None], None] = lambda *_: None
    steps: int = 0
    now: float = BEGINNING
    #: Whether calls may fail and processes may die.
    storm: bool = True
    processes: list[Process] = field(default_factory=list)
    ready: list[Process] = field(default_factory=list)
    asleep: list[Process] = field(default_factory=list)
    #: The process that makes the next call; None while the tree is made and examined.
    running: Process | None = None
    violation: BaseException | None = None
    trace: list[str] | None = None
    kills: int = 0
    errors: int = 0
    watches: dict[str, list[SimulatedWatch]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.options.seed)
        self.disk = Disk(lambda: self.now, self, lambda: self.running, self.chance.shuffle)
        self._hub = getcurrent()
        self._pause_at = 0

    # Processes.

    def start(self, name: str, body: Callable[[Process], None], farm: Farm) -> Process:
        """A process that does *body* from now on."""
        process = Process(name, body, farm)
        process.greenlet = greenlet(lambda: self._live(process))
        self.processes.append(process)
        self.ready.append(process)
        return process

    def _live(self, process: Process) -> None:
        try:
            process.body(process)
        except Killed:
            pass
        except BaseException as error:  # noqa: BLE001  # whatever a process ends with is what the schedule looks for
            self.violation = self.violation or error
        self._bury(process)

    def kill(self, process: Process) -> None:
        """What SIGKILL does: the kernel closes what the process had open, and nothing more happens."""
        if process.dead:
            return
        self._bury(process)
        self.kills += 1
        self.note(f"{process} is killed")
        if process is self.running:
            raise Killed
        if process.greenlet:  # it has begun, and has not ended
            killer, process.greenlet.parent = self.running, getcurrent()
            self.running = process
            process.greenlet.throw(Killed)
            self.running = killer

    def _bury(self, process: Process) -> None:
        process.dead = True
        for line in (self.ready, self.asleep):
            if process in line:
                line.remove(process)
        self.disk.drop(process)

    def run(self, until: Callable[[], bool], limit: int) -> bool:
        """Let the processes run until *until* holds, which is looked at now and then. False after *limit* calls."""
        end = self.steps + limit
        while not until():
            if self.steps >= end or not (self.ready or self.asleep):
                return False
            self._pause_at = self.steps + PERIOD
            self._enter(self._next())
            self.running = None
            if self.violation is not None:
                raise self.violation
        return True

    def close(self) -> None:
        """End what still lives, without any effect."""
        trace, self.trace = self.trace, None
        for process in [process for process in self.processes if not process.dead]:
            self.kill(process)
        self.running, self.trace = None, trace

    def _enter(self, process: Process) -> None:
        self.running = process
        process.greenlet.switch()

    def _next(self) -> Process:
        """Any process that is ready; when all sleep, the first that wakes, at that time."""
        if self.asleep:
            if not self.ready:
                self.now = max(self.now, min(process.due for process in self.asleep))
            for process in [process for process in self.asleep if process.due <= self.now]:
                self.rouse(process)
        return self.ready[int(self.chance.random() * len(self.ready))]

    def rouse(self, process: Process) -> None:
        """End the sleep of *process*."""
        if process in self.asleep:
            self.asleep.remove(process)
            self.ready.append(process)

    def sleep(self, seconds: float) -> None:
        """The running process does nothing for *seconds*, or until it is roused."""
        process = self.running
        assert process is not None
        if process.dead:
            raise Killed
        process.due = self.now + seconds
        self.ready.remove(process)
        self.asleep.append(process)
        self._hub.switch()
        if process.dead:
            raise Killed

    # Calls.

    def call(self, name: str, act: Callable[..., Any], arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """Make a call on the disk in the name of the running process, which may be delayed, fail, or never happen."""
        process = self.running
        if process is None:
            return act(*arguments, **named)
        if process.dead:
            raise Killed
        self.steps += 1
        self.now += self.options.tick
        if self.steps >= self._pause_at:
            self._hub.switch()
        elif self.chance.random() < self.options.switch:
            other = self._next()
            if other is not process:
                self._enter(other)
        if process.dead:
            raise Killed
        if self.storm and (luck := self.chance.random()) < self.options.fault:
            self._strike(process, name, act, arguments, luck / self.options.fault)
        if self.trace is None:
            return act(*arguments, **named)
        return self._traced(process, name, act, arguments, named)

    def _strike(
        self, process: Process, name: str, act: Callable[..., Any], arguments: tuple[Any, ...], luck: float
    ) -> None:
        """Something befalls the process just before a call, or in the middle of a write."""
        kills, _, stalls = self.options.faults
        if luck < stalls:
            self.note(f"{process} stalls before {name}")
            self.sleep(self.options.tick * self.chance.randint(5, 400))
            return
        if name == "open" and arguments[1] & os.O_CREAT:
            name = "create"
        if luck < stalls + kills:
            self._half(name, act, arguments)
            self.kill(process)
        elif name in ERRORS and not (name in ("open", "read", "close") and self._is_note(arguments[0])):
            self._half(name, act, arguments)
            if name == "close":
                act(*arguments)  # Linux closes a descriptor even when close(2) fails
            number = self.chance.choice(ERRORS[name])
            process.struck = True
            self.errors += 1
            self.note(f"{process} {name} {arguments[0]}: {errno.errorcode[number]}")
            raise OSError(number, os.strerror(number), str(arguments[0]))

    def _is_note(self, file: str | int) -> bool:
        """Whether it is a note of the hot folder: of a file whose note cannot be read, two answers are no fault."""
        known = self.disk.open_files.get(file) if isinstance(file, int) else None
        return "/taken/" in (known.path if known else str(file))

    def _half(self, name: str, act: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        if name == "write" and self.chance.random() < 0.5:
            act(arguments[0], bytes(arguments[1])[: len(arguments[1]) // 2])

    def _traced(
        self, process: Process, name: str, act: Callable[..., Any], arguments: tuple[Any, ...], named: dict[str, Any]
    ) -> Any:
        try:
            found = act(*arguments, **named)
        except OSError as error:
            self.note(f"{process} {name} {_shown(arguments)}: {errno.errorcode.get(error.errno or 0)}")
            raise
        self.note(f"{process} {name} {_shown(arguments)}")
        return found

    def note(self, line: str) -> None:
        """Write *line* into the trace, if there is one."""
        if self.trace is not None:
            self.trace.append(f"{self.steps:6d} {self.now - BEGINNING:12.4f}  {line}")

    def moved(self, source: str | None, target: str | None, node: Node, replaced: Node | None) -> None:
        """See `Observer`."""
        try:
            self.judge(source, target, node, replaced)
        except Violation as violation:
            self.violation = self.violation or violation
            self._pause_at = 0  # the world looks at once
            self.note(f"VIOLATION {violation}")
        if target is not None and self.watches:
            above, _, name = target.rpartition("/")
            for watch in self.watches.get(above, ()):
                watch.see(above, name)


def _shown(arguments: tuple[Any, ...]) -> str:
    texts = (f"{len(each)} bytes" if isinstance(each, (bytes, memoryview)) else str(each) for each in arguments)
    return ", ".join(texts)
