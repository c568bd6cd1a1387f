"""Subjobs: the jobs that a running job has other workers do, and that are removed with it.

    spool/parts/<id>    the ids of the parts of job <id>, one a line, each there before its part is queued

A part's id is derived from the job's id and the part's number. So a worker that takes the job over from a dead one
finds the parts that are done or under way. They stay until the job's own result is there, so even a worker that dies at
the very end causes no part to be repeated. If no worker will take the job over, `sweep` removes its parts.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from spoolfarm.errors import FarmError, InvalidRequest, JobFailed, SpoolUnavailable
from spoolfarm.spool import files
from spoolfarm.spool.job import LAST, Job, State
from spoolfarm.spool.record import outcome
from spoolfarm.spool.results import ID
from spoolfarm.spool.spool import Spool
from spoolfarm.tasks import Answer, Key, Part, wrong_number
from spoolfarm.tasks.registry import Registry

#: Subjobs under way for each worker: one that is run, and one that is next.
AHEAD = 2
#: Subjobs under way at least.
LEAST = 4
#: Who submits a part, as its record says.
PART = "part"
#: Seconds between checks whether the job is to go on.
LOOK = 0.25
#: Seconds between checks whether a part still exists.
MISSED = 5.0


class Subjobs:
    """The parts of one job."""

    def __init__(
        self,
        spool: Spool,
        tasks: Registry,
        workers: int,
        whole: Job,
        check: Callable[[], None],
        rest: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        """Within *rest* the time that passes is not that of the job."""
        self._spool = spool
        self._rest = rest
        self._tasks = tasks
        #: Subjobs under way at once.
        self._most = max(LEAST, AHEAD * workers)
        self._whole = whole
        #: Raises when the job must not go on.
        self._check = check
        self._path = f"{spool.parts}/{whole.id}"
        #: What an earlier attempt queued.
        self._known = frozenset(noted(self._path))
        self._count = 0

    def map(self, task: str, items: Iterable[tuple[Key, Part | FarmError]]) -> Iterator[tuple[Key, Answer | FarmError]]:
        """See `Context.map`."""
        self._spool.disabled.check(task)
        source = iter(items)
        under_way: deque[tuple[Key, str | FarmError]] = deque()
        while True:
            while len(under_way) < self._most and (item := next(source, None)) is not None:
                self._check()
                key, part = item
                under_way.append((key, part if isinstance(part, FarmError) else self._queued(task, part)))
            if not under_way:
                return
            key, begun = under_way.popleft()
            yield key, begun if isinstance(begun, FarmError) else self._ended(task, begun)

    def forget(self) -> None:
        """Cancel the parts that are under way and remove what is left of the others."""
        forget(self._spool, self._whole.id)

    def _queued(self, task: str, part: Part) -> str:
        """Queue the next part, for *task*; its id."""
        picture, params = part
        known, number = self._tasks.get(task), int(picture is not None)
        if not known.min_images <= number <= known.max_images:
            raise InvalidRequest(wrong_number(known, task, "image", number))
        priority = min(LAST, self._whole.priority + 1)  # nobody shall wait for all pages of somebody's book
        job_id = part_id(self._whole.id, self._count)
        self._count += 1
        origin = {**self._whole.origin(), "source": PART, "name": ""}
        pictures = [] if picture is None else [picture]
        self._put(Job(task, self._tasks.checked(task, params), pictures, job_id, priority, **origin))
        return job_id

    def _put(self, job: Job) -> None:
        """Queue a part, unless an earlier attempt did. Less durable than the whole job: a lost part is done again."""
        if job.id in self._known:
            if (self._spool.results.told(job.id) or {}).get("code") == "damaged":  # by a power cut
                self._let_go(job.id)
                self._spool.results.remove(job.id)
            elif self._spool.find(job.id) is not None:
                return
        else:
            files.append(self._path, job.id.encode() + b"\n")
        while True:
            try:
                self._spool.put(job)
                return
            except SpoolUnavailable:  # a full disk, perhaps
                self._check()
                time.sleep(LOOK)

    def _let_go(self, job_id: str) -> None:
        """Wait until no worker has a part that has ended: the next job of that id must not be taken for it."""
        while (file := self._spool.find(job_id)) is not None and file.state is State.RUNNING:
            self._check()
            time.sleep(LOOK)

    def _ended(self, task: str, job_id: str) -> Answer | JobFailed:
        """How a part ended, which is for *task*, when it has."""
        missed = time.monotonic() + MISSED
        while (record := self._spool.results.wait(job_id, LOOK)) is None:
            self._check()
            if self._spool.paused.on(task):
                self._wait_for_resume(task, job_id)
            if time.monotonic() > missed:
                missed = time.monotonic() + MISSED
                if self._spool.find(job_id) is None:
                    return JobFailed(f"job {job_id} was lost")
        try:
            value: Any = outcome(record)
        except JobFailed as error:
            return error
        return Answer(value, {name: self._spool.results.file(job_id, name) for name in record.get("files", ())})

    def _wait_for_resume(self, task: str, job_id: str) -> None:
        """Wait until *task* is resumed, or the part has ended all the same: it was already running."""
        with self._rest():
            while self._spool.paused.on(task) and not self._spool.results.exists(job_id):
                self._check()
                time.sleep(LOOK)


def part_id(whole: str, number: int) -> str:
    """The id of part *number* of the job *whole*: as old as the job, so that the parts keep its place in the queue."""
    return f"{whole[:16]}{(int(whole[16:], 16) + 1 + number) % 2**32:08x}"


def sweep(spool: Spool) -> None:
    """Remove the parts of jobs that ended without removing them, because their worker died."""
    for name in files.names(spool.parts):
        if ID.fullmatch(name):
            entry = spool.find(name)
            if entry is None or entry.state not in (State.QUEUED, State.RUNNING):
                forget(spool, name)


def forget(spool: Spool, whole: str) -> None:
    """Cancel and remove the parts of the job *whole*, and then its note of them."""
    path = f"{spool.parts}/{whole}"
    for job_id in noted(path):
        spool.forget(job_id)
        spool.dead.remove(job_id)
    files.remove(path)


def noted(path: str) -> set[str]:
    """The ids in a job's note of parts; none when there is no note.

    A line that a crash cut short, or the disk altered, is passed over: what it names is to be removed, and must not be
    another job.
    """
    whole = path.rpartition("/")[2]
    try:
        lines = files.read(path).decode(errors="replace").splitlines()
    except FileNotFoundError:
        return set()
    most = 2 * len(lines)  # a few may be damaged, but the numbers have no gaps
    return {line for line in lines if ID.fullmatch(line) and 0 <= _number(whole, line) < most}


def damage(path: str) -> str:
    """What is wrong with the note of parts at *path*; nothing when it is whole, or has just gone."""
    try:
        lines = set(files.read(path).splitlines())
    except FileNotFoundError:
        return ""
    return "it has lines that name no part" if len(noted(path)) < len(lines) else ""


def _number(whole: str, job_id: str) -> int:
    """Which part of *whole* the job is, as `part_id` counts; -1 when it is none."""
    if job_id[:16] != whole[:16] or job_id == whole:
        return -1
    return (int(job_id[16:], 16) - int(whole[16:], 16) - 1) % 2**32
