"""Power cuts: what was synced is noted, and all that a cut may leave is computed from it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from spoolfarm.spool.job import Job
from spoolfarm.spool.jobfile import NAME
from tests.support.crash_points import CALLS, Tally
from tests.support.spool_tree import Tree, paths_below, recover, run_down


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
            os.makedirs(f"{path}/{name}")
        else:
            with open(f"{path}/{name}", "wb") as file:
                file.write(data)
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
    paths = [(os.path.basename(path), path) for path in paths_below(str(tree.path))]
    return [(name[:24], path) for name, path in paths if NAME.fullmatch(name)]


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
