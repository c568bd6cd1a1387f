"""Crash points and power cuts: what the tests of the crash model share.

A crash point is one system call of one operation. A forked child runs the operation on a spool of its own, and at that
call it dies, or the call fails. Then the test recovers the spool, as the farm would, and `examine` looks for what must
never be. `recorded` and `states` do the same for a power cut: they note what was synced, and compute what may be left.
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
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from spoolfarm import files, process
from spoolfarm.entry import NAME, Claim
from spoolfarm.errors import SpoolUnavailable
from spoolfarm.job import DamagedJob, Job, Result, State
from spoolfarm.lease import Lease, new_worker_id
from spoolfarm.queue import bucket
from spoolfarm.results import Results
from spoolfarm.spool import Spool

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
#: The locks in workers/ that stay.
LOCKS = ("suspects.lock", "cancel.lock")


class Tree:
    """A spool with its results below one directory, and the jobs that the test put there."""

    def __init__(self, path: Path, *, make: bool = True) -> None:
        self.path = path
        #: Jobs that the spool has taken, by id: none may ever be lost.
        self.promised: dict[str, Job] = {}
        #: Jobs that the operation under test puts: promised once the child says "ack <id>".
        self.offered: dict[str, Job] = {}
        #: Files that are damaged on purpose, by id.
        self.damaged: set[str] = set()
        if make:
            self.open()

    def open(self) -> Spool:
        """The spool as a process that starts now would see it."""
        self.spool = Spool(str(self.path / "spool"), Results(str(self.path / "results")))
        return self.spool

    def put(self, *jobs: Job) -> None:
        """Queue *jobs* before the operation under test begins."""
        for job in jobs:
            self.spool.put(job)
            self.promised[job.id] = job

    def orphan(self, job: Job, attempts: int = 1, wid: str = "") -> str:
        """Leave *job* with a worker that is dead after so many *attempts*; return the worker's id."""
        wid = wid or new_worker_id()
        self.put(job)
        files.make_directory(f"{self.spool.active}/{wid}")
        Path(f"{self.spool.workers}/{wid}.lock").touch()
        place = bucket(self.spool.queue, job.task, job.priority, job.id).path
        os.rename(f"{place}/{job.id}.a0", f"{self.spool.active}/{wid}/{job.id}.a{attempts}")
        return wid

    def spoil(self, job: Job) -> None:
        """Cut the queued *job*'s file short."""
        place = bucket(self.spool.queue, job.task, job.priority, job.id).path
        os.truncate(f"{place}/{job.id}.a0", 20)
        self.damaged.add(job.id)

    def lease(self) -> Lease:
        """A lease of this process."""
        return Lease.take(self.spool.workers, self.spool.active, new_worker_id())

    def job_files(self) -> list[tuple[str, str]]:
        """Every visible job file: its id and its path, tmp/ left out."""
        found = []
        for top in ("queue", "active", "cancel", "dead"):
            for folder, _, names in os.walk(f"{self.spool.root}/{top}"):
                found += [(name[:24], f"{folder}/{name}") for name in names if NAME.fullmatch(name)]
        return found

    def drive(self) -> None:
        """Run every queued job to its end, as a worker would."""
        lease = self.lease()
        cursor = self.spool.cursor(sorted(os.listdir(self.spool.queue)))
        for claim in claims(lambda: self.spool.claim(lease, cursor, lambda task: 2)):
            self.spool.finish(claim, succeeded(claim, "driven"))
            lease.drop_suspects()
        lease.end()


def claims(claim: Callable[[], list[Claim]]) -> Iterator[Claim]:
    """All that *claim* gives until it gives nothing twice: the first time, the cursor may only have been at its end."""
    empty = 0
    while empty < 2:
        batch = claim()
        empty = 0 if batch else empty + 1
        yield from batch


def succeeded(claim: Claim, value: Any) -> Result:
    """A result that says *value*."""
    job = claim.job
    return Result(job.id, job.task, State.SUCCEEDED, job.attempts, job.created, claim.started, time.time(), value)


def failed(claim: Claim, error: str = "no luck", code: str = "task_error") -> Result:
    """The result of a job that failed."""
    job = claim.job
    return Result(
        job.id, job.task, State.FAILED, job.attempts, job.created, claim.started, time.time(), None, error, code
    )


def fork(act: Callable[[], object]) -> int:
    """A child of this process that does *act* and ends, with status 0 when *act* returned; its process id."""
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            process.die_with_parent(parent)
            act()
            status = 0
        finally:
            os._exit(status)
    return pid


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


def ended(pid: int) -> int:
    """Wait for a child; its exit status, negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


class Elsewhere:
    """Another process that does *act*, and then lives until it is killed."""

    def __init__(self, act: Callable[[], Any]) -> None:
        reader, writer = os.pipe()

        def live() -> None:
            kept = act()
            os.write(writer, b"!" if kept is not False else b"?")
            signal.pause()

        self._pid: int | None = fork(live)
        os.close(writer)
        self._said = os.read(reader, 1)
        os.close(reader)

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
            self._pid = None

    def __enter__(self) -> Elsewhere:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        assert self._said == b"!"


# What must never be.


def examine(tree: Tree) -> list[str]:
    """What a reader would see of files that are not whole."""
    found = []
    for job_id, path in tree.job_files():
        if job_id in tree.damaged:
            continue
        try:
            if Job.from_bytes(files.read(path)).id != job_id:
                found.append(f"I5: {path} holds another job")
        except DamagedJob as error:
            found.append(f"I5: {path} is torn: {error}")
    for folder, _, names in os.walk(tree.path):
        for name in (each for each in names if each.endswith(".json")):
            try:
                if not isinstance(json.loads(files.read(f"{folder}/{name}")), dict):
                    found.append(f"I5: {folder}/{name} is no object")
            except ValueError as error:
                found.append(f"I5: {folder}/{name} is torn: {error}")
    for job_id in tree.promised:
        try:
            tree.spool.results.read_log(job_id)
        except ValueError as error:
            found.append(f"I5: the log of {job_id} cannot be read: {error}")
    return found


def recover(tree: Tree, *, strict: bool = True) -> list[str]:
    """Do what the farm does after a crash, then look whether all is as it must be. *strict*: see `standing`."""
    tree.open()
    found = []
    try:
        tree.spool.reclaim()
    except Exception as error:  # noqa: BLE001  # whatever it raises is what the test looks for
        found.append(f"I2: reclaim raised {error!r}")
    return found + standing(tree, strict=strict)


def standing(tree: Tree, *, strict: bool = True) -> list[str]:
    """Where the jobs are, held against the invariants; *strict* forbids an ended job that is still queued.

    A power cut that takes a rename of the spool back, but leaves the result, leaves such a job: it runs once more, and
    its first result stays. That is at-least-once, no loss.
    """
    found = examine(tree)
    spool = tree.spool
    where: dict[str, list[str]] = {}
    for job_id, path in tree.job_files():
        where.setdefault(job_id, []).append(path.removeprefix(f"{spool.root}/"))
    for job_id, paths in where.items():
        if len(paths) > 1:
            found.append(f"I3: {job_id} is in several places: {paths}")
        top, *_, name = paths[0].split("/")
        if top in ("active", "cancel"):
            found.append(f"I2: {paths[0]} belongs to nobody")
        if top == "queue" and strict and spool.results.exists(job_id):
            found.append(f"I3: {paths[0]} has ended and is queued")
        if top == "dead" and not os.path.exists(f"{spool.root}/dead/{job_id}/reason.json"):
            found.append(f"I4: {paths[0]} has no reason")
        if int(name.rpartition(".a")[2]) > spool.max_attempts:
            found.append(f"I4: {paths[0]} was claimed too often")
    for job_id in tree.promised:
        if spool.find(job_id) is None:
            found.append(f"I1: {job_id} is lost")
    return found


def put_again(tree: Tree) -> list[str]:
    """Put what was not acknowledged and is nowhere: no leftover may stand in its way."""
    for job_id, job in tree.offered.items():
        if tree.spool.find(job_id) is None:
            try:
                tree.spool.put(job)
            except SpoolUnavailable as error:
                return [f"I6: {job_id} cannot be put again: {error}"]
    tree.promised |= tree.offered
    return []


def run_down(tree: Tree, ends: Iterable[str]) -> list[str]:
    """Bring every promised job to its end; it has to be one of *ends*, and the result visible before has to stay."""
    before = {job_id: _bytes(tree, job_id) for job_id in tree.promised}
    for job_id, path in tree.job_files():
        if "/dead/" in path and job_id in tree.promised and not tree.spool.results.exists(job_id):
            tree.spool.retry(job_id)  # a retry that a crash cut short
    tree.drive()
    found = standing(tree)
    for job_id in tree.promised:
        record = tree.spool.results.get(job_id)
        if record is None:
            found.append(f"I1: {job_id} has no result in the end")
        elif record["status"] not in ends:
            found.append(f"I3: {job_id} ended {record['status']}, not {' or '.join(ends)}")
        if before[job_id] and before[job_id] != _bytes(tree, job_id):
            found.append(f"I3: the result of {job_id} was replaced")
    found += [f"I2: {name} is left in active/" for name in os.listdir(tree.spool.active)]
    found += [f"I2: {name} is left in workers/" for name in os.listdir(tree.spool.workers) if name not in LOCKS]
    found += [f"I3: {path} is left" for _, path in tree.job_files() if "/dead/" not in path]
    return found


def _bytes(tree: Tree, job_id: str) -> bytes:
    try:
        return files.read(f"{tree.spool.results.root}/{job_id}.json")
    except FileNotFoundError:
        return b""


# Crash points.


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


# Power cuts.


@dataclass(eq=False)
class Node:
    """A file's content: what was written, and how much of that was on the disk for sure."""

    written: bytes = b""
    synced: int = 0


@dataclass(frozen=True)
class Event:
    """Something that happened to the tree, or that somebody was told."""

    kind: str
    path: str = ""
    target: str = ""
    node: Node | None = None
    data: bytes = b""

    @property
    def directories(self) -> set[str]:
        """The directories whose names it changes."""
        return {os.path.dirname(path) for path in (self.path, self.target) if path}


#: The events that change names.
NAMING = ("create", "rename", "link", "unlink", "mkdir", "rmdir")


class Recorder:
    """Notes every change below *root* that this process makes through `os`, while `recorded`."""

    def __init__(self, root: Path) -> None:
        self.root = f"{root}/"
        self.events: list[Event] = []
        self._files: dict[str, Node] = {}
        self._open: dict[int, str] = {}
        self._real = {name: getattr(os, name) for name in CALLS}
        #: What was there before, by relative path: bytes, or None for a directory.
        self.before: dict[str, bytes | None] = snapshot(root)
        for path, data in self.before.items():
            if data is not None:
                self._files[path] = Node(data, len(data))
        self.base = dict(self._files)

    def say(self, word: str) -> None:
        """Note that somebody was told *word*."""
        self.events.append(Event("say", data=word.encode()))

    def _relative(self, path: Any) -> str:
        text = os.fspath(path)
        return text.removeprefix(self.root) if text.startswith(self.root) else ""

    def open(self, path: Any, flags: int, mode: int = 0o777) -> int:
        name = self._relative(path)
        new = bool(flags & os.O_CREAT) and name != "" and not os.path.lexists(path)
        descriptor: int = self._real["open"](path, flags, mode)
        if name or f"{os.fspath(path)}/" == self.root:
            self._open[descriptor] = name
        if new:
            self._files[name] = Node()
            self.events.append(Event("create", name, node=self._files[name]))
        return descriptor

    def close(self, descriptor: int) -> None:
        self._open.pop(descriptor, None)
        self._real["close"](descriptor)

    def write(self, descriptor: int, data: Any) -> int:
        count: int = self._real["write"](descriptor, data)
        if descriptor in self._open:
            node = self._files[self._open[descriptor]]
            self.events.append(Event("write", node=node, data=bytes(data)[:count]))
        return count

    def fsync(self, descriptor: int) -> None:
        if descriptor in self._open:  # the real one would only cost time
            name = self._open[descriptor]
            node = self._files.get(name)
            self.events.append(Event("sync", node=node) if node else Event("syncdir", name))

    def rename(self, path: Any, target: Any) -> None:
        self._real["rename"](path, target)
        old, new = self._relative(path), self._relative(target)
        self._files[new] = self._files.pop(old)
        self.events.append(Event("rename", old, new))

    def link(self, path: Any, target: Any) -> None:
        self._real["link"](path, target)
        old, new = self._relative(path), self._relative(target)
        self._files[new] = self._files[old]
        self.events.append(Event("link", old, new))

    def unlink(self, path: Any) -> None:
        self._real["unlink"](path)
        self._files.pop(self._relative(path))
        self.events.append(Event("unlink", self._relative(path)))

    def mkdir(self, path: Any, mode: int = 0o777) -> None:
        self._real["mkdir"](path, mode)
        self.events.append(Event("mkdir", self._relative(path)))

    def rmdir(self, path: Any) -> None:
        self._real["rmdir"](path)
        self.events.append(Event("rmdir", self._relative(path)))


@contextmanager
def recorded(root: Path) -> Iterator[Recorder]:
    """Note what this process does below *root*; nothing is synced for real."""
    recorder = Recorder(root)
    real = {name: getattr(os, name) for name in CALLS}
    for name in CALLS:
        setattr(os, name, getattr(recorder, name))
    try:
        yield recorder
    finally:
        for name, function in real.items():
            setattr(os, name, function)


def snapshot(root: Path) -> dict[str, bytes | None]:
    """All that lies below *root*, by relative path; None for a directory."""
    found: dict[str, bytes | None] = {}
    for path in sorted(root.rglob("*")):
        found[str(path.relative_to(root))] = None if path.is_dir() else path.read_bytes()
    return found


def states(
    recorder: Recorder, needs: dict[int, set[int]], cut: int, *, journal: bool
) -> Iterator[dict[str, bytes | None]]:
    """What the disk may hold after a power cut that follows the first *cut* events, the worst first.

    A file holds what was written before its last fsync; what came later is gone, or, in every second state, there.
    A change of names is one step, as rename(2) is. It is on the disk for sure once a directory in which it happened
    has been synced, with all that it builds on, except that the directory's own name is up to its parent. Of the other
    changes any may be there and any missing: none, all, each one alone, all but each one, and all up to each one are
    tried. With *journal* they reach the disk in the order in which they were made, and every sync brings all before it
    there, as on ext4 and XFS.
    """
    events = recorder.events[:cut]
    changes = [at for at in needs if at < cut]
    sure: set[int] = set()
    for at, event in enumerate(events):
        if event.kind == "syncdir":
            here = {each for each in changes if each < at and event.path in events[each].directories}
            own = {each for each in changes if events[each].path == event.path}
            sure |= _closure(here, {each: found - own for each, found in needs.items()})
        if journal and event.kind in ("sync", "syncdir"):
            sure |= {each for each in changes if each < at}
    open_ = [at for at in changes if at not in sure]
    kept = [sure, *({*sure, *(each for each in open_ if each <= last)} for last in open_)]
    if not journal:
        kept += [_closure({*sure, at}, needs) for at in open_]
        kept += [{each for each in changes if at not in _closure({each}, needs)} for at in open_]
    seen = []
    for keep in kept:
        if keep not in seen:
            seen.append(keep)
            yield _replay(recorder, cut, keep, whole=False)
            yield _replay(recorder, cut, keep, whole=True)


def _needs(events: Sequence[Event], at: int) -> set[int]:
    """The changes that the change *at* builds on: they must be on the disk when it is."""
    event = events[at]
    found = set()
    touched = {path for path in (event.path, event.target) if path}
    parents = event.directories
    for earlier, other in enumerate(events[:at]):
        if other.kind not in NAMING:
            continue
        same = touched & {other.path, other.target}
        made = other.kind in ("mkdir", "rmdir") and other.path in parents
        emptied = event.kind == "rmdir" and event.path in other.directories
        if same or made or emptied:
            found.add(earlier)
    return found


def _closure(start: Iterable[int], needs: dict[int, set[int]]) -> set[int]:
    """*start* and all that it needs, directly or through others."""
    found, left = set(start), list(start)
    while left:
        for each in needs[left.pop()] - found:
            found.add(each)
            left.append(each)
    return found


def _replay(recorder: Recorder, cut: int, keep: set[int], *, whole: bool) -> dict[str, bytes | None]:
    nodes = {id(node): replace(node) for node in recorder.base.values()}
    names = {path: nodes[id(recorder.base[path])] if path in recorder.base else None for path in recorder.before}

    def node_of(event: Event) -> Node:
        return nodes.setdefault(id(event.node), Node())

    for at, event in enumerate(recorder.events[:cut]):
        if event.kind == "write":
            node_of(event).written += event.data
        elif event.kind == "sync":
            node_of(event).synced = len(node_of(event).written)
        elif at not in keep:
            continue
        elif event.kind == "create":
            names[event.path] = node_of(event)
        elif event.kind == "mkdir":
            names[event.path] = None
        elif event.kind == "link":
            names[event.target] = names[event.path]
        elif event.kind == "rename":
            names[event.target] = names.pop(event.path)
        else:
            names.pop(event.path)
    found: dict[str, bytes | None] = {}
    for path, node in sorted(names.items()):
        parent = os.path.dirname(path)
        if not parent or parent in found:  # what lies in a directory that has lost its own name is lost with it
            found[path] = None if node is None else node.written if whole else node.written[: node.synced]
    return found


def restore(state: dict[str, bytes | None], path: Path) -> Tree:
    """Write *state* below *path*."""
    for name, data in sorted(state.items()):
        if data is None:
            (path / name).mkdir(parents=True)
        else:
            (path / name).write_bytes(data)
    return Tree(path, make=False)


def after_power_cut(recorder: Recorder, base: Path, jobs: dict[str, Job], *, journal: bool, enough: str = "") -> Tally:
    """Cut the power after every event, restart on every state that may be left, and look for what must never be.

    *jobs* are those that "ack <id>" may be said of, "done <id>" once their result has been published, and "retried
    <id>" once they are queued again. A violation that says *enough* ends the search.
    """
    tally, seen = Tally(), set()
    events = recorder.events
    needs = {at: _needs(events, at) for at, event in enumerate(events) if event.kind in NAMING}
    for cut in range(len(events) + 1):
        words = [event.data.decode().split() for event in events[:cut] if event.kind == "say"]
        acknowledged = frozenset(job_id for word, job_id in words if word == "ack")
        done = frozenset(job_id for word, job_id in words if word == "done")
        retried = frozenset(job_id for word, job_id in words if word == "retried")
        for state in states(recorder, needs, cut, journal=journal):
            key = (acknowledged, done, retried, frozenset(state.items()))
            if key in seen:
                continue
            seen.add(key)
            tally.points += 1
            tree = restore(state, base / str(tally.points))
            tree.promised = {job_id: jobs[job_id] for job_id in acknowledged}
            # What was not acknowledged, or not durable, may be torn: it must only do no harm.
            tree.damaged = {job_id for job_id, _ in _all_files(tree) if job_id not in acknowledged}
            found = _restart(tree, done, retried, strict=journal)
            tally.violations += [f"power cut after event {cut}: {each}" for each in found]
            shutil.rmtree(tree.path)
            if enough and any(enough in each for each in found):
                return tally
    return tally


def _all_files(tree: Tree) -> list[tuple[str, str]]:
    return [(path.name[:24], str(path)) for path in tree.path.rglob("*.a*") if NAME.fullmatch(path.name)]


def _restart(tree: Tree, done: Iterable[str], retried: Iterable[str], *, strict: bool) -> list[str]:
    try:
        found = recover(tree, strict=strict)
        found += [f"I1: the result of {job_id} is lost" for job_id in done if tree.spool.results.get(job_id) is None]
        for job_id in retried:
            if (tree.spool.results.get(job_id) or {}).get("status") == "failed":
                found.append(f"I1: the retry of {job_id} is lost")
        found += run_down(tree, ("succeeded", "failed", "cancelled"))
    except Exception as error:  # noqa: BLE001  # whatever it raises is what the test looks for
        return [f"the restart raised {error!r}"]
    # Results of jobs that were not durable may be torn; nobody waits for them any more.
    return [each for each in found if not _of_no_concern(tree, each)]


def _of_no_concern(tree: Tree, violation: str) -> bool:
    return (
        violation.startswith("I5") and "/results/" in violation and not any(each in violation for each in tree.promised)
    )
