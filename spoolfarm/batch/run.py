"""The run of a batch: inputs in, jobs under way, records out, until all are done or it is stopped."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from spoolfarm.batch.inputs import Inputs
from spoolfarm.batch.ledger import Ledger, Version
from spoolfarm.batch.workers import Workers
from spoolfarm.errors import FarmError, InvalidRequest, SpoolFull
from spoolfarm.farm.in_flight import InFlight
from spoolfarm.spool.job import Job, State

#: What is shown after the first Ctrl-C.
STOPPING = "stopping (Ctrl-C: at once)"
#: The most bytes of inputs under way at once; a larger input goes alone.
MOST_BYTES = 512 * 2**20
#: The most failures that the summary names; the results have them all.
NAMED = 20


@dataclass(frozen=True, slots=True)
class Source:
    """The input that a job is for, as it was when it was read."""

    name: str
    version: Version

    @property
    def size(self) -> int:
        """Its bytes."""
        return self.version.size or 0


@dataclass
class Summary:
    """How a run ended."""

    succeeded: int = 0
    failed: int = 0
    #: How many were already done.
    earlier: int = 0
    #: The first failures: name and reason.
    failures: list[tuple[str, str]] = field(default_factory=list)


class Progress(Protocol):
    """Who is told how far a run has come."""

    #: What is wrong, as long as something is.
    note: str

    def count(self, *, failed: bool) -> None:
        """One more has ended."""

    def show(self) -> None:
        """Called whenever something may have changed, and about once a second."""


class Batch:
    """One run, in one thread; `stop` may be called from a signal handler."""

    def __init__(
        self,
        workers: Workers,
        ledger: Ledger,
        progress: Progress,
        priority: int,
        in_flight: int,
    ) -> None:
        """At most *in_flight* jobs are under way."""
        self._workers = workers
        self._farm = workers.farm
        self._ledger = ledger
        self._progress = progress
        self._priority = priority
        self._in_flight = in_flight
        self._stopping = self._withdrawn = False
        #: How much is under way.
        self._bytes = 0
        self._flight: InFlight[Source] | None = None
        #: A job that found no room.
        self._held: tuple[Job, Source] | None = None
        self.summary = Summary()

    def stop(self) -> None:
        """Submit nothing more; running jobs are finished, queued ones are cancelled and left for another run."""
        self._stopping = True
        if self._flight is not None:
            self._flight.wake()

    def run(self, inputs: Inputs) -> Summary:
        """Do what is not done yet. Raises OSError or SpoolUnavailable when nothing can be written any more."""
        todo = self._todo(inputs)
        with InFlight[Source](self._farm.spool, self._farm.put) as self._flight:
            while self._fill(self._flight, todo) or len(self._flight):
                for source, record in self._flight.finished():
                    self._bytes -= source.size
                    self._end(source, record)
                waiting = self._workers.tend()
                self._progress.note = STOPPING if self._stopping else waiting
                self._progress.show()
        return self.summary

    def _fill(self, flight: InFlight[Source], todo: Iterator[tuple[Job, Source]]) -> bool:
        """Queue as many jobs as there is room for, or withdraw them when stopped; return whether more are to come."""
        if self._stopping:
            if not self._withdrawn:
                flight.withdraw()
                self._withdrawn = True
            return False
        while len(flight) < self._in_flight and not self._stopping:
            self._held = found = self._held or next(todo, None)
            if found is None:
                return False
            job, source = found
            if len(flight) and self._bytes + source.size > MOST_BYTES:
                break
            self._workers.staff(job.task)
            try:
                flight.put(job, source)
            except SpoolFull:
                break
            self._held = None
            self._bytes += source.size
            self._progress.show()
        return True

    def _todo(self, inputs: Inputs) -> Iterator[tuple[Job, Source]]:
        """A job for each input that is not done; inputs that cannot become a job are recorded as failed."""
        for path in inputs.paths:
            name = inputs.name(path)
            if name in self._ledger.done:
                self.summary.earlier += 1
                continue
            version = Version()
            try:
                data, version = _read(path)
                job = self._job(data, name)
            except OSError as error:
                self._fail(Source(name, version), error.strerror or str(error), "unreadable")
            except FarmError as error:
                self._fail(Source(name, version), str(error), error.code)
            else:
                yield job, Source(name, version)

    def _job(self, data: bytes, name: str) -> Job:
        begun = self._ledger.beginning
        return self._farm.prepare(begun.task, [data], begun.params, priority=self._priority, name=name)

    def _fail(self, source: Source, error: str, code: str) -> None:
        self._end(source, {"status": State.FAILED, "error": error, "code": code})

    def _end(self, source: Source, record: dict[str, Any]) -> None:
        """Write how one input ended, unless it was cancelled because we are stopping."""
        if record["status"] == State.CANCELLED and self._withdrawn:
            return

        def file(name: str) -> Path:
            return self._farm.file(record["id"], name)

        written: Mapping[str, Any] = self._ledger.add(source.name, source.version, record, file)
        failed = written["status"] != State.SUCCEEDED
        self._progress.count(failed=failed)
        if not failed:
            self.summary.succeeded += 1
            return
        self.summary.failed += 1
        if len(self.summary.failures) < NAMED:
            self.summary.failures.append((source.name, str(written.get("error"))))


def _read(path: str) -> tuple[bytes, Version]:
    """The bytes of a file, and the version that they are. Raises OSError, or InvalidRequest if it is not a file."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a FIFO must not block
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise InvalidRequest("is not a file")
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(), Version.of(found)
    finally:
        os.close(descriptor)
