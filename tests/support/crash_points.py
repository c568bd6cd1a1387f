"""Crash points: one system call of one operation at which the process dies or the call fails.

A forked child runs the operation on a spool of its own, and at that call it dies, or the call fails. Then the test
recovers the spool, as the farm would, and `examine` looks for what must never be.
"""

from __future__ import annotations

import errno
import json
import os
import select
import shutil
import signal
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from spoolfarm.errors import SpoolUnavailable
from spoolfarm.spool import files
from spoolfarm.spool.job import Job, Result
from spoolfarm.spool.jobfile import Claim
from spoolfarm.spool.spool import Spool
from tests.support.spool_tree import Tree, ended, examine, fork, put_again, recover, run_down

#: The system calls that are counted.
CALLS = ("open", "write", "fsync", "rename", "link", "unlink", "close", "mkdir", "rmdir")
#: The errors that each of them may end with.
ERRORS = ("ENOSPC", "EIO", "EMFILE", "EROFS")
#: What may happen at a crash point: death before the call, death in the middle of a write, or an error.
MODES = ("kill", "half", *ERRORS)
#: How many children work side by side.
CORES = os.cpu_count() or 1
#: Seconds that a child gets.
DEADLINE = 20.0


def spread(works: Sequence[Callable[[], Any]]) -> list[Any]:
    """What each of *works* returns, as JSON has it; they are done in as many children as there are cores."""
    results: list[Any] = [None] * len(works)
    children = []
    for first in range(min(CORES, len(works))):
        reader, writer = os.pipe()
        children.append((reader, fork(partial(_do, works[first::CORES], writer))))
        os.close(writer)
    for first, (reader, pid) in enumerate(children):
        with open(reader, "rb") as told:
            said = told.read()
        assert ended(pid) == 0, "a child failed; what it says stands above"
        results[first::CORES] = json.loads(said)
    return results


def _do(works: Sequence[Callable[[], Any]], writer: int) -> None:
    try:
        files.write_all(writer, json.dumps([work() for work in works]).encode())
    except BaseException:
        traceback.print_exc()
        raise


class Child:
    """The side of the forked child: its calls are counted while `armed`, and it tells its parent what happened."""

    def __init__(self, output: int, mode: str, at: int) -> None:
        self._output, self._mode, self._at = output, mode, at
        self._armed = False
        self._real = {name: getattr(os, name) for name in CALLS}
        self.calls: list[str] = []
        for name in CALLS:
            setattr(os, name, self._counted(name))

    def _counted(self, name: str) -> Callable[..., Any]:
        real = self._real[name]

        def call(*arguments: Any, **named: Any) -> Any:
            if self._armed:
                self.calls.append(name)
                if len(self.calls) == self._at:
                    self._strike(name, arguments)
            return None if name == "fsync" else real(*arguments, **named)  # no power cut here: spare the disk

        return call

    def _strike(self, name: str, arguments: tuple[Any, ...]) -> None:
        if self._mode in ERRORS:
            if name == "close":
                self._real["close"](*arguments)  # Linux closes a descriptor even when close(2) fails
            number = getattr(errno, self._mode)
            raise OSError(number, os.strerror(number))
        if self._mode == "half":
            descriptor, data = arguments
            self._real["write"](descriptor, bytes(data)[: len(data) // 2])
        os.kill(os.getpid(), signal.SIGKILL)

    @contextmanager
    def armed(self) -> Iterator[None]:
        """Count the calls made here."""
        self._armed = True
        try:
            yield
        finally:
            self._armed = False

    def attempt(self, act: Callable[[], Any]) -> tuple[Any, OSError | SpoolUnavailable | None]:
        """Do *act* armed. What it returns, or the error of the one call that failed."""
        try:
            with self.armed():
                return act(), None
        except (OSError, SpoolUnavailable) as error:
            self.expect(self._mode in ERRORS, f"without any fault: {error!r}")
            return None, error

    def say(self, word: str) -> None:
        """Tell the parent, at once."""
        self._real["write"](self._output, f"{word}\n".encode())

    def expect(self, condition: bool, otherwise: str) -> None:
        """Tell the parent when *condition* does not hold."""
        if not condition:
            self.say(f"violation {otherwise}")


@dataclass(frozen=True)
class Scenario:
    """One operation under test."""

    name: str
    #: Makes the spool as it is before. Runs in the parent.
    prepare: Callable[[Tree], None]
    #: The operation. Runs in the child, which tells what it was promised by `say("ack")`.
    act: Callable[[Tree, Child], None]
    #: How the jobs may end.
    ends: tuple[str, ...] = ("succeeded",)
    #: Further checks, in the parent after recovery; *said* is what the child told.
    check: Callable[[Tree, list[str]], list[str]] = lambda tree, said: []


@dataclass
class Tally:
    """What an enumeration found."""

    points: int = 0
    calls: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)


def enumerate_points(scenario: Scenario, base: Path, modes: Sequence[str] = MODES) -> Tally:
    """Run *scenario* once for every call that it makes and every one of *modes*, on trees below *base*."""
    said, found = _point(scenario, base, "none", 0)
    tally = Tally(calls=_calls(said), violations=[f"{scenario.name}, undisturbed: {each}" for each in found])
    for points, violations in spread([partial(_points, scenario, base, tally.calls, mode) for mode in modes]):
        tally.points += points
        tally.violations += violations
    return tally


def _points(scenario: Scenario, base: Path, calls: Sequence[str], mode: str) -> tuple[int, list[str]]:
    """Run *scenario* once for every one of its *calls*; how often that was, and what was wrong."""
    violations: list[str] = []
    points, at = 0, 1
    while True:
        if mode == "half" and "write" not in calls[at - 1 :]:
            break
        if mode == "half" and calls[at - 1] != "write":
            at += 1
            continue
        said, found = _point(scenario, base, mode, at)
        if 0 < len(_calls(said)) < at:
            break  # the operation was over before
        call = calls[at - 1] if at <= len(calls) else "a call"
        violations += [f"{scenario.name}, {mode} at call {at} ({call}): {each}" for each in found]
        points, at = points + 1, at + 1
    return points, violations


def _calls(said: list[str]) -> list[str]:
    """The calls that a child counted; none when it died."""
    return next((line.split()[1:] for line in said if line.startswith("calls")), [])


def _point(scenario: Scenario, base: Path, mode: str, at: int) -> tuple[list[str], list[str]]:
    """One child; return what it said, and what was wrong afterwards."""
    tree = Tree(base / f"{mode}{at}")
    try:
        scenario.prepare(tree)
        said, status = in_child(tree, lambda child: scenario.act(tree, child), mode, at)
        found = [line.removeprefix("violation ") for line in said if line.startswith("violation")]
        if status not in (0, -signal.SIGKILL):
            found.append(f"the child ended with {status}")
        tree.promised |= {job_id: job for job_id, job in tree.offered.items() if f"ack {job_id}" in said}
        found += examine(tree)
        found += recover(tree)
        found += scenario.check(tree, said)
        found += put_again(tree)
        found += run_down(tree, scenario.ends)
        return said, found
    finally:
        shutil.rmtree(tree.path)


def in_child(tree: Tree, act: Callable[[Child], None], mode: str = "none", at: int = 0) -> tuple[list[str], int]:
    """Run *act* in a forked child; return what it said, and its exit status."""
    reader, writer = os.pipe()

    def live() -> None:
        os.close(reader)
        child = Child(writer, mode, at)
        try:
            act(child)
        except BaseException:  # the parent shall know, whatever it was
            child.say("violation " + traceback.format_exc().replace("\n", " | "))
            raise
        finally:
            child.say(" ".join(["calls", *child.calls]))

    pid = fork(live)
    os.close(writer)
    try:
        said = _listen(reader)
    finally:
        os.close(reader)
        os.kill(pid, signal.SIGKILL)  # not reaped yet, so the number is still its own
        status = ended(pid)
    return said, status


def _listen(reader: int) -> list[str]:
    """All that comes until the other side has closed."""
    heard, end = b"", time.monotonic() + DEADLINE
    while True:
        ready, _, _ = select.select([reader], [], [], max(0.0, end - time.monotonic()))
        if not ready:
            return [*heard.decode().splitlines(), "violation the child hangs"]
        data = os.read(reader, 65536)
        if not data:
            return heard.decode().splitlines()
        heard += data


def sound(tally: Tally) -> bool:
    """Whether an enumeration found nothing; prints what it found."""
    for violation in tally.violations:
        print(violation)  # noqa: T201  # pytest shows it when the test fails
    return not tally.violations


# What several tests do.


def new(*, durable: bool = True, size: int = 300) -> Job:
    return Job("echo", {"n": 1}, [b"x" * size], durable=durable)


def too_early(spool: Spool, claim: Claim, result: Result) -> None:
    """Lets go of the job before its result is visible."""
    files.remove(claim.path)
    spool.results.publish(result, sync=claim.job.durable)
