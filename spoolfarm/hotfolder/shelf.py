"""The shelf: what lies in the hot folders and what was answered, for whoever looks; and a file put back for a retry."""

from __future__ import annotations

import base64
import binascii
import heapq
import json
import os
import re
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from spoolfarm.errors import FarmError, InvalidRequest, UnknownFile, UnknownTask
from spoolfarm.farm.farm import Farm
from spoolfarm.farm.sidecars import PARAMS
from spoolfarm.hotfolder.dropped import printable
from spoolfarm.hotfolder.inbox import Inbox, is_ours
from spoolfarm.spool import files

#: Seconds for which a look is good for all, and the same as a multiple of what it took.
FRESH, SHARE = 3.0, 100
#: The most names that are looked at in one folder, and answers that are read to know how they ended, at each look.
MOST_NAMES, MOST_READ = 50_000, 2000
#: Bytes at an answer's beginning in which it says how its job ended.
HEAD = 1024
#: The most bytes of an answer that is shown.
LARGEST = 1 << 20

_STATUS = re.compile(rb'"status": ?"(succeeded|failed|cancelled)"')


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer: the file's name below its folder, when it was written, and how its job ended, "" if not known yet."""

    name: str
    at: float
    status: str


@dataclass(frozen=True, slots=True)
class Look:
    """One folder as it was at one look."""

    waiting: Sequence[str]
    answered: Sequence[Answered]
    #: Whether there was no more than is told here.
    complete: bool


class Shelf:
    """The hot folders of *farm*. Any number of threads may ask."""

    def __init__(self, farm: Farm) -> None:
        self._farm = farm
        self._inbox = Inbox(farm.inbox)
        self._out = Inbox(f"{farm.results.root}/inbox")
        self._lock = threading.Lock()
        self._looks: dict[str, tuple[float, Look]] = {}
        #: How the job of an answer ended, by task, name and time.
        self._known: dict[tuple[str, str, float], str] = {}

    def folders(self) -> list[dict[str, Any]]:
        """Each folder with how many files wait there, and how many answers say what."""
        return [self._folder(task) for task in self._farm.tasks.for_one()]

    def strangers(self) -> list[dict[str, Any]]:
        """What lies in the inbox outside the folders of tasks: each name, and how many files are in it."""
        found = self._inbox.strangers(self._farm.tasks.for_one())
        return [{"name": printable(name), "files": number} for name, number in found]

    def list(self, task: str, which: str, limit: int) -> list[dict[str, Any]]:
        """At most *limit* files of *task* that are `waiting`, `failed` or `done`, the newest answers first."""
        look = self._look(self._checked(task))
        if which == "waiting":
            return [{"key": key_of(name), "name": printable(name)} for name in look.waiting[:limit]]
        wanted = ("failed", "cancelled") if which == "failed" else ("succeeded",)
        chosen = heapq.nlargest(limit, (each for each in look.answered if each.status in wanted), lambda each: each.at)
        return [self._told(task, each) for each in chosen]

    def answer(self, task: str, key: str) -> dict[str, Any]:
        """The record that is the answer to a file. Raises UnknownFile, or InvalidRequest for one that is too large."""
        parts = [self._checked(task), *parts_of(key)]
        try:
            with self._out.folder("/".join(parts[:-1])) as folder:
                data = _read(folder, f"{parts[-1]}.json", LARGEST + 1)
        except OSError as error:
            raise UnknownFile("there is no such answer any more") from error
        if len(data) > LARGEST:
            raise InvalidRequest(f"the answer is larger than {LARGEST >> 20} MiB; read it where it lies")
        try:
            found = json.loads(data)
        except ValueError as error:
            raise UnknownFile("that is no answer") from error
        return found if isinstance(found, dict) else {"result": found}

    def put_back(self, task: str, keys: Sequence[str]) -> dict[str, Any]:
        """Put files that were answered back into the inbox; `put_back` says how many, `left` which not, and why not."""
        self._checked(task)
        left = []
        for key in keys:
            parts = parts_of(key)
            try:
                self._put_back([task, *parts])
            except (FarmError, OSError) as error:
                said = str(error) if isinstance(error, FarmError) else error.strerror
                left.append({"name": printable("/".join(parts)), "error": said})
        with self._lock:
            self._looks.pop(task, None)
        return {"put_back": len(keys) - len(left), "left": left}

    def _checked(self, task: str) -> str:
        if task not in self._farm.tasks.for_one():
            raise UnknownTask(f"no task {task!r} takes files")
        return task

    def _folder(self, task: str) -> dict[str, Any]:
        look = self._look(task)
        failed = sum(each.status in ("failed", "cancelled") for each in look.answered)
        unread = sum(not each.status for each in look.answered)
        return {
            "task": task,
            "path": f"{self._inbox.root}/{task}",
            "paused": self._farm.pauses.on(task),
            "waiting": len(look.waiting),
            "failed": failed,
            "done": len(look.answered) - failed - unread,
            "complete": look.complete and not unread,
        }

    # Look.

    def _look(self, task: str) -> Look:
        with self._lock:
            begin = time.monotonic()
            stale, look = self._looks.get(task, (0.0, Look((), (), True)))
            if begin >= stale:
                look = self._seen(task)
                took = time.monotonic() - begin
                self._looks[task] = begin + max(FRESH, SHARE * took), look
            return look

    def _seen(self, task: str) -> Look:
        waiting = [name[len(task) + 1 :] for name, _ in zip(self._inbox.walk(task), range(MOST_NAMES), strict=False)]
        found = list(zip(self._answers(task), range(MOST_NAMES), strict=False))
        reads = iter(range(MOST_READ))
        known, answered = {}, []
        for (name, at), _ in sorted(found, key=lambda each: -each[0][1]):
            key = (task, name, at)
            status = self._known.get(key)
            if status is None and next(reads, None) is not None:
                status = self._status(task, name)
            if status is not None:
                known[key] = status
            if status != "other":
                answered.append(Answered(name, at, status or ""))
        self._known = {key: status for key, status in self._known.items() if key[0] != task} | known
        return Look(waiting, answered, len(waiting) < MOST_NAMES and len(found) < MOST_NAMES)

    def _answers(self, task: str) -> Iterator[tuple[str, float]]:
        """What may be answers below the folder of *task*: each name without its `.json`, and when it was written."""
        folders = [task]
        while folders:
            folder = folders.pop()
            try:
                with self._out.folder(folder) as descriptor, os.scandir(descriptor) as entries:
                    there = {entry.name: entry for entry in entries}
                    times = {name: _written(there[name]) for name in there if name.endswith(".json")}
                    inner = [name for name in there if there[name].is_dir(follow_symlinks=False) and is_ours(name)]
            except OSError:
                continue  # somebody moves it away
            folders += [f"{folder}/{name}" for name in inner]
            for name, at in times.items():
                stem = name.removesuffix(".json")
                whole, suffix = os.path.splitext(stem)
                attached = suffix and stem not in there and f"{whole}.json" in there  # a file of another's answer
                if at and stem and not attached and not name.endswith(PARAMS):
                    yield f"{folder}/{stem}"[len(task) + 1 :], at

    def _status(self, task: str, name: str) -> str:
        """How the job of an answer ended; "other" for what is no answer."""
        above, _, last = f"{task}/{name}".rpartition("/")
        try:
            with self._out.folder(above) as folder:
                found = _STATUS.search(_read(folder, f"{last}.json", HEAD))
        except OSError:
            return "other"
        return found[1].decode() if found else "other"

    def _told(self, task: str, each: Answered) -> dict[str, Any]:
        key = key_of(each.name)
        said = {"key": key, "name": printable(each.name), "at": each.at, "status": each.status}
        if each.status == "succeeded":
            return said
        try:
            record = self.answer(task, key)
        except FarmError as error:
            return {**said, "error": str(error)}
        return {**said, "error": str(record.get("error") or ""), "code": record.get("code"), "id": record.get("id")}

    # Put back.

    def _put_back(self, parts: Sequence[str]) -> None:
        """Move a file and its parameters back. Its answer goes first, so that it never goes for the next one."""
        *above, name = parts
        source = "/".join([self._out.root, *above])
        with self._out.folder("/".join(above)) as folder:
            if not files.mode_inside(name, folder):
                raise UnknownFile("the file is not beside its answer; it may be on its way, or was moved away")
            with files.open_directory(self._inbox.root, above, make=True) as target:
                if files.mode_inside(name, target):
                    raise InvalidRequest("a file of that name waits already")
            for ending in (".json", ".txt"):
                with suppress(FileNotFoundError):
                    os.unlink(name + ending, dir_fd=folder)
            for each in (name + PARAMS, name):
                if files.mode_inside(each, folder):
                    _move(f"{source}/{each}", "/".join([self._inbox.root, *above, each]))


def key_of(name: str) -> str:
    """A text that stands for a file's name, which may be any bytes."""
    return base64.urlsafe_b64encode(os.fsencode(name)).decode()


def parts_of(key: str) -> list[str]:
    """The folders and the name behind *key*. Raises InvalidRequest when it is none of `key_of`'s."""
    try:
        parts = os.fsdecode(base64.urlsafe_b64decode(key.encode())).split("/")
    except (ValueError, binascii.Error) as error:
        raise InvalidRequest("key: is none that this farm gave") from error
    if any(part in ("", ".", "..") or "\0" in part for part in parts):
        raise InvalidRequest("key: is none that this farm gave")
    return parts


def _move(path: str, target: str) -> None:
    """Move a file, replacing nothing; to another disk it is copied, and appears there complete."""
    try:
        files.relocate_new(path, target)
    except FileExistsError as error:
        raise InvalidRequest("a file of that name waits already") from error


def _written(entry: os.DirEntry[str]) -> float:
    """When a file was written, in seconds since the epoch; 0 when it is none, or gone."""
    try:
        return entry.stat(follow_symlinks=False).st_mtime if entry.is_file(follow_symlinks=False) else 0.0
    except OSError:
        return 0.0


def _read(folder: int, name: str, most: int) -> bytes:
    descriptor = files.open_inside(name, folder, os.O_NONBLOCK)
    try:
        return os.read(descriptor, most)
    finally:
        os.close(descriptor)
