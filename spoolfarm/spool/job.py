"""Jobs and results: frozen records, and the bytes they are on disk."""

from __future__ import annotations

import json
import random
import time
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from spoolfarm.spool import checksum

#: The most urgent and the least urgent priority.
FIRST, LAST = 0, 9
#: The default priority.
NORMAL = 5
#: Made once: making it takes as long as encoding a job.
_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)
#: What a job and its record may say about where it came from.
ORIGIN = ("source", "name", "request_id", "traceparent")
#: The files and details of a result that has none.
NOTHING: Mapping[str, Any] = MappingProxyType({})
#: What a number is in JSON.
NUMBER = (int, float)


class State(StrEnum):
    """Where a job stands."""

    #: Waits for a worker.
    QUEUED = "queued"
    #: A worker has it.
    RUNNING = "running"
    #: Ended with a result.
    SUCCEEDED = "succeeded"
    #: Ended for good with an error.
    FAILED = "failed"
    #: Ended on request.
    CANCELLED = "cancelled"


class DamagedJob(ValueError):
    """The bytes are not a whole job file: cut short, altered, or never one."""

    code = "damaged"


class UnreadableJob(DamagedJob):
    """There is a job file, but it cannot be read: it belongs to another user, or the disk fails."""

    code = "unreadable"


def new_id() -> str:
    """Return a unique id whose text sorts by time: 16 hex digits of the clock in nanoseconds, 8 random ones."""
    return f"{time.time_ns():016x}{random.getrandbits(32):08x}"


def slot_of(job_id: str) -> str:
    """The time slot of an id: its first 8 digits, which change every 2**32 ns = 4.3 s."""
    return job_id[:8]


@dataclass(frozen=True, slots=True)
class Job:
    """One run of a task."""

    task: str
    params: Mapping[str, Any] = field(default_factory=dict)
    #: The encoded pictures as they were sent, in order.
    images: Sequence[bytes] = ()
    id: str = field(default_factory=new_id)
    #: 0 is claimed first, 9 last.
    priority: int = NORMAL
    #: The job survives a power cut, and its result stays until it expires.
    durable: bool = False
    #: Seconds since the epoch.
    created: float = field(default_factory=time.time)
    #: How often it has been claimed, including this time. On disk this is part of the file's name, not of its content.
    attempts: int = 0
    #: How often it may be claimed; 0: as often as the spool allows.
    tries: int = 0
    #: Who submitted it: http, cli, python, inbox, batch or part; empty when nobody says.
    source: str = ""
    #: The name of the file that its picture was, where it was one.
    name: str = ""
    #: The id of the HTTP request that submitted it, and the trace that the request belongs to: its `traceparent`.
    request_id: str = ""
    traceparent: str = ""

    def to_buffers(self) -> list[bytes]:
        """The job file: one line of JSON, then the pictures' raw bytes. `head -1 FILE` shows the line.

        Raises ValueError or TypeError when the parameters are nothing JSON can say.
        """
        header = {
            "id": self.id,
            "task": self.task,
            "priority": self.priority,
            "durable": self.durable,
            "created": self.created,
            "sizes": [len(image) for image in self.images],
        }
        if self.tries:
            header["tries"] = self.tries
        if self.source:
            header["source"] = self.source
        if self.name:
            header["name"] = self.name
        if self.request_id:
            header["request_id"] = self.request_id
        if self.traceparent:
            header["traceparent"] = self.traceparent
        header["params"] = self.params  # behind the others, for they may be large: see `header_of`
        text = _JSON.encode(header)
        line = checksum.seal(text.encode(errors="surrogatepass"), *self.images)
        return [line + b"\n", *self.images]

    def origin(self) -> dict[str, Any]:
        """Where it came from, by the names of ORIGIN."""
        return {
            "source": self.source,
            "name": self.name,
            "request_id": self.request_id,
            "traceparent": self.traceparent,
        }

    @classmethod
    def from_bytes(cls, data: bytes, attempts: int = 0) -> Job:
        """Read a job file back. Raises DamagedJob when the length or the checksum does not fit."""
        at = data.find(b"\n") + 1
        line, pictures = data[: max(0, at - 1)], memoryview(data)[at:]
        try:
            sealed = checksum.check(line, pictures)
        except checksum.Altered as error:
            raise DamagedJob(str(error)) from error
        header = _parse(line)
        if not sealed:  # an earlier version wrote it
            _check(header, pictures)
        images = []
        for size in header["sizes"]:
            images.append(data[at : at + size])
            at += size
        if at != len(data):
            raise DamagedJob("its length does not fit its header")
        return cls(
            header["task"],
            header["params"],
            images,
            header["id"],
            header["priority"],
            header["durable"],
            header["created"],
            attempts,
            header.get("tries", 0),
            header.get("source", ""),
            header.get("name", ""),
            header.get("request_id", ""),
            header.get("traceparent", ""),
        )


def header_of(beginning: bytes) -> dict[str, Any]:
    """What a job file's header says before the parameters, by the file's first bytes: its `task`, for one.

    The bytes may be less than the header. As a text in JSON has no plain quote, only the header itself can hold the
    name of the parameters in the way it is looked for. Raises DamagedJob.
    """
    line, newline, _ = beginning.partition(b"\n")
    before, found, _ = line.partition(b',"params":')
    header = _parse(line if newline or not found else before + b"}")
    if not isinstance(header.get("task"), str):
        raise DamagedJob("its header names no task")
    return header


def _parse(line: bytes) -> dict[str, Any]:
    try:
        header = checksum.parsed(line)
    except ValueError as error:
        raise DamagedJob(f"its header is no JSON: {error}") from error
    if not isinstance(header, dict):
        raise DamagedJob("its header is no JSON object")
    return header


def _check(header: Mapping[str, Any], pictures: memoryview) -> None:
    """Raise DamagedJob when a header without a checksum of its own cannot be that of *pictures*."""
    kinds = {"id": str, "task": str, "params": dict, "durable": bool, "sizes": list, "priority": int, "created": NUMBER}
    if not all(isinstance(header.get(name), kind) for name, kind in kinds.items()):  # type: ignore[arg-type]
        raise DamagedJob("its header lacks something")
    sizes, words = (header.get("tries", 0), *header["sizes"]), [header.get(name, "") for name in ORIGIN]
    if not all(isinstance(size, int) for size in sizes) or not all(isinstance(word, str) for word in words):
        raise DamagedJob("its header holds what does not belong there")
    if not FIRST <= header["priority"] <= LAST or zlib.crc32(pictures) != header.get("crc32"):
        raise DamagedJob("its priority or the checksum of its pictures is wrong")


def origin(header: Mapping[str, Any]) -> dict[str, Any]:
    """Where a job came from, as far as its *header* or its record says: what of ORIGIN is known."""
    return {name: said for name in ORIGIN if isinstance(said := header.get(name), str) and said}


class Result(NamedTuple):
    """How a job ended. Times are seconds since the epoch.

    A tuple, for each job makes one, and a frozen dataclass of so many fields takes five times as long to make.
    """

    id: str
    task: str
    status: State
    attempts: int
    created: float
    started: float | None
    finished: float
    #: What the task returned, when it succeeded: any JSON value.
    result: Any = None
    #: Why it failed, as a sentence and as a stable code.
    error: str | None = None
    code: str | None = None
    #: The files that belong to the result, by name: their bytes, or where they lie.
    files: Mapping[str, bytes | Path] = NOTHING
    #: More about why it failed, for programs: JSON values.
    details: Mapping[str, Any] = NOTHING
    #: As the job has them.
    source: str = ""
    name: str = ""
    request_id: str = ""
    traceparent: str = ""
    #: The worker that ran it.
    worker: str = ""
    #: The attempts that ended without a result: the `attempt`, `worker`, `started`, `ended` and `reason` of each.
    lost: Sequence[Mapping[str, Any]] = ()

    @classmethod
    def without_run(
        cls, job: Job, status: State, error: str, code: str, lost: Sequence[Mapping[str, Any]] = ()
    ) -> Result:
        """The result of *job* when it ends now with *error*, without having been run to its end."""
        times = (job.created, None, time.time())
        return cls(job.id, job.task, status, job.attempts, *times, error=error, code=code, lost=lost, **job.origin())

    def record(self) -> dict[str, Any]:
        """What `GET /v1/jobs/<id>` shows."""
        shown: dict[str, Any] = {
            "id": self.id,
            "task": self.task,
            "status": self.status,
            "attempts": self.attempts,
            "created": self.created,
            "started": self.started,
            "finished": self.finished,
            "progress": 1.0 if self.status is State.SUCCEEDED else None,
        }
        if self.source:
            shown["source"] = self.source
        if self.name:
            shown["name"] = self.name
        if self.request_id:
            shown["request_id"] = self.request_id
        if self.traceparent:
            shown["traceparent"] = self.traceparent
        if self.worker:
            shown["worker"] = self.worker
        if self.lost:
            shown["lost"] = self.lost
        if self.status is State.SUCCEEDED:
            shown["result"] = self.result
            if self.files:
                shown["files"] = sorted(self.files)
        else:
            shown |= {"error": self.error, "code": self.code}
            if self.details:
                shown["details"] = self.details
        return shown

    def to_bytes(self) -> bytes:
        """The record as JSON. Raises ValueError or TypeError when the result is not a JSON value."""
        text = _JSON.encode(self.record())
        return text.encode(errors="surrogatepass")
