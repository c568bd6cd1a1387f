"""The farm: the one bridge to spool and results, on which the HTTP front, the command line and library users stand."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from spoolfarm import config, images, parts
from spoolfarm.errors import (
    InvalidParams,
    InvalidRequest,
    JobFailed,
    SpoolFull,
    UnknownJob,
    WaitTimeout,
)
from spoolfarm.flight import Flight
from spoolfarm.parts import Parts
from spoolfarm.room import Room
from spoolfarm.spool import lease
from spoolfarm.spool.idempotency import IdempotencyKeys
from spoolfarm.spool.job import FIRST, LAST, NORMAL, Job, State
from spoolfarm.spool.jobfile import JobFile, born
from spoolfarm.spool.record import ended, outcome
from spoolfarm.spool.results import Results
from spoolfarm.spool.spool import Spool
from spoolfarm.tasks import Answer
from spoolfarm.tasks.registry import Registry

if TYPE_CHECKING:
    from spoolfarm.images import Picture

Item = TypeVar("Item")

#: Jobs that `map` has under way at once.
IN_FLIGHT = 256
#: Seconds until `map` tries again to submit when the spool is full.
FULL_RETRY = 0.2
#: Seconds for which a job that is waited for is taken to exist: most results are there by then.
SOON = 0.05
#: What stands for "no limit" where a wait must have an end.
FOREVER = 10 * 365 * 86400.0


class FarmJob:
    """A submitted job: ask how it is, wait for it, cancel it."""

    def __init__(self, farm: Farm, job_id: str) -> None:
        self._farm = farm
        self.id = job_id

    def __repr__(self) -> str:
        return f"<FarmJob {self.id}>"

    def status(self) -> str:
        """`queued`, `running`, `succeeded`, `failed` or `cancelled`."""
        return str(self.record()["status"])

    def record(self) -> dict[str, Any]:
        """All that is known of the job, as `GET /v1/jobs/<id>` shows it. Raises UnknownJob once it has expired."""
        return self._farm.record(self.id)

    def wait(self, timeout: float | None = None) -> Any:
        """Return the result. Raises JobFailed, JobCancelled, or WaitTimeout after *timeout* seconds (None: never)."""
        return self._farm.wait(self.id, timeout)

    def file(self, name: str) -> bytes:
        """One of the files that the record names in `files`. Raises UnknownJob or UnknownFile."""
        return self._farm.results.file(self.id, name).read_bytes()

    def cancel(self) -> bool:
        """Cancel the job: at once when queued, within seconds when running. False when it has ended."""
        return self._farm.cancel(self.id)


class Farm:
    """The farm on this machine. Without arguments it is the one that the settings name."""

    def __init__(
        self,
        spool_dir: str | os.PathLike[str] | None = None,
        results_dir: str | os.PathLike[str] | None = None,
        *,
        settings: config.Settings | None = None,
    ) -> None:
        self.settings = settings or config.load()
        self.results = Results(os.fspath(results_dir or self.settings.results_dir))
        root = os.fspath(spool_dir or self.settings.spool_dir)
        self.spool = Spool(root, self.results, max_attempts=self.settings.max_attempts)
        self.tasks = Registry(self.settings.tasks, self.settings.enable, self.settings.by_name())
        self.room = Room(self.spool, limit=self.settings.max_queued, min_free_mb=self.settings.min_free_mb)
        self._keys = IdempotencyKeys(self.spool.keys)

    # Submit.

    def submit(
        self, task: str, image: Picture | None = None, *, priority: int = NORMAL, durable: bool = True, **params: Any
    ) -> FarmJob:
        """Accept a job: when this returns it is on the disk, and will be done even after a power cut.

        *durable* False skips the syncs, for those who wait for the result themselves. Raises UnknownTask,
        InvalidRequest, InvalidParams, SpoolFull, SpoolUnavailable, or what `images.check` raises.
        """
        job = self.job(task, _bytes_of(image), params, priority=priority, durable=durable)
        return self.put(job)

    def call(self, task: str, image: Picture | None = None, *, timeout: float | None = None, **params: Any) -> Any:
        """Run a job and return its result, leaving nothing behind. Raises what `submit` and `FarmJob.wait` raise."""
        return self.run(self.job(task, _bytes_of(image), params), timeout)

    def map(
        self,
        task: str,
        items: Iterable[Item],
        *,
        priority: int = NORMAL,
        in_flight: int = IN_FLIGHT,
        return_exceptions: bool = False,
        **params: Any,
    ) -> Iterator[tuple[Item, Any]]:
        """Yield (item, result) in order of completion, with at most *in_flight* jobs under way; leaves nothing behind.

        An item that fails raises, or with *return_exceptions* yields its exception in the place of the result. Raises
        ValueError at once when *in_flight* is below 1.
        """
        if in_flight < 1:
            raise ValueError(f"in_flight must be at least 1, not {in_flight}")
        return self._map(task, iter(items), priority, in_flight, return_exceptions, params)

    def _map(
        self,
        task: str,
        source: Iterator[Item],
        priority: int,
        in_flight: int,
        return_exceptions: bool,
        params: Mapping[str, Any],
    ) -> Iterator[tuple[Item, Any]]:
        left = True
        with Flight[Item](self.spool, self.put) as flight:
            while left or len(flight):
                while left and len(flight) < in_flight:
                    try:
                        item = next(source)
                    except StopIteration:
                        left = False
                        break
                    job = self.job(task, _bytes_of(item), params, priority=priority)  # type: ignore[arg-type]
                    _put_when_room(flight, job, item)
                if not len(flight):
                    break
                for item, record in flight.landed():
                    try:
                        yield item, outcome(record)
                    except JobFailed as error:
                        if not return_exceptions:
                            raise
                        yield item, error

    def job(
        self,
        task: str,
        pictures: Sequence[bytes],
        params: Mapping[str, Any],
        *,
        priority: int = NORMAL,
        durable: bool = False,
        field: str = "image",
    ) -> Job:
        """A job that can work as far as anyone can tell without decoding; *field* names the pictures in errors."""
        task = self.tasks.meant(task, pictures, params, field)
        known = self.tasks.get(task)
        if not isinstance(priority, int) or not FIRST <= priority <= LAST:
            raise InvalidParams(f"priority: must be a whole number from {FIRST} to {LAST}, not {priority!r}")
        validated = known.validate(params)
        if not known.min_images <= len(pictures) <= known.max_images:
            raise InvalidRequest(
                f"{field}: task {task} takes {known.min_images} to {known.max_images} of them, not {len(pictures)}"
            )
        if known.pictures:
            for index, picture in enumerate(pictures):
                if known.pdf and images.is_pdf(picture):
                    continue
                name = field if len(pictures) == 1 else f"{field}[{index}]"
                images.check(picture, name, self.settings.max_pixels, pdf=known.pdf)
        return Job(task, validated, pictures, priority=priority, durable=durable, tries=known.tries)

    def put(self, job: Job, *, key: str | None = None) -> FarmJob:
        """Queue *job*. With an idempotency *key*, a repeat returns the job that the key started first."""
        if key is None:
            self._put(job)
            return FarmJob(self, job.id)
        with self._keys.lock:
            first = self._keys.job_id(key, job)
            if first == job.id or self.spool.find(first) is None:  # a crash may have come between key and job
                self._put(replace(job, id=first))
            return FarmJob(self, first)

    def run(self, job: Job, timeout: float | None = None) -> Any:
        """Queue *job*, wait and return its result, leaving nothing behind. Raises what `answer` raises."""
        record = self._finished(job, timeout)
        self.results.collect(job.id)
        return outcome(record)

    def answer(self, job: Job, timeout: float | None = None) -> Answer:
        """Queue *job*, wait and return its result with its files, leaving nothing behind.

        Raises WaitTimeout when *timeout* (FARM_TIMEOUT when None) is over: the job goes on, and can be collected.
        """
        return self.collect(self._finished(job, timeout))

    def _finished(self, job: Job, timeout: float | None) -> dict[str, Any]:
        """Queue *job* and wait for its record."""
        self.put(job)
        seconds = self.settings.timeout if timeout is None else timeout
        record = self.results.wait(job.id, seconds)
        if record is None:
            raise WaitTimeout(f"no result within {seconds:g} s", job_id=job.id)
        return record

    def collect(self, record: Mapping[str, Any]) -> Answer:
        """Take the result and its files away. Raises JobFailed."""
        attached = {name: self.results.file(record["id"], name).read_bytes() for name in record.get("files", ())}
        self.results.collect(record["id"])
        return Answer(outcome(record), attached)

    def _put(self, job: Job) -> None:
        self.room.take()
        self.queue(job)

    def queue(self, job: Job) -> None:
        """Queue *job*, for which room has been taken."""
        try:
            self.spool.put(job)
        except (TypeError, ValueError) as error:
            raise InvalidParams(f"params: hold something that JSON in UTF-8 cannot say: {error}") from error

    def subjobs(self, whole: Job, check: Callable[[], None]) -> Parts:
        """The jobs that the running job *whole* has other workers do; *check* raises when it is not to go on."""
        return Parts(self.spool, self.tasks, self.settings.workers, whole, check)

    # Ask.

    def record(self, job_id: str) -> dict[str, Any]:
        """All that is known of a job. Raises UnknownJob."""
        file = self.spool.find(job_id)
        if file is None:
            raise UnknownJob(f"no job {job_id!r}; results are kept for {self.settings.result_ttl:g} s")
        return self._describe(file)

    def wait(self, job_id: str, timeout: float | None = None) -> Any:
        """The result of a job. Raises UnknownJob, JobFailed, JobCancelled or WaitTimeout."""
        record = self.wait_record(job_id, FOREVER if timeout is None else timeout)
        if not ended(record):
            raise WaitTimeout(f"no result within {timeout:g} s", job_id=job_id)
        return outcome(record)

    def wait_record(self, job_id: str, timeout: float) -> dict[str, Any]:
        """The record of a job, as soon as it has ended, or as it is when *timeout* seconds are over."""
        if record := self.results.wait(job_id, min(timeout, SOON)):
            return record
        record = self.record(job_id)
        if ended(record) or timeout <= SOON:
            return record
        return self.results.wait(job_id, timeout - SOON) or self.record(job_id)

    def jobs(
        self, *, status: str | None = None, task: str | None = None, before: str = "g", limit: int = 100
    ) -> list[dict[str, Any]]:
        """The records of at most *limit* jobs with an id below *before*, the newest first."""
        files = {file.id: file for file in self._files(status)}
        found: list[dict[str, Any]] = []
        for job_id in sorted((each for each in files if each < before), reverse=True):
            if len(found) == limit:
                break
            try:
                record = self._describe(files[job_id])
            except UnknownJob:
                continue  # it has expired meanwhile
            if status in (None, record["status"]) and task in (None, record["task"]):
                found.append(record)
        return found

    def follow(self, job_id: str, start: int = 0) -> Iterator[dict[str, Any] | None]:
        """Yield what happens to a job: its state when it changes, its log from byte *start* on, at last its record.

        None when nothing happened for a while, so that the caller can look whether anybody still listens. Raises
        UnknownJob.
        """
        status = None
        for event in self.results.follow(job_id, start):
            if event is None or ("record" not in event and status != State.RUNNING):
                now = self.record(job_id)["status"]
                if now != status:
                    yield {"status": now}
                    status = now
            yield event

    def workers(self) -> list[dict[str, Any]]:
        """What each living worker says of itself, once it is ready."""
        return lease.ready(self.spool.workers)

    # Change one's mind.

    def cancel(self, job_id: str) -> bool:
        """Cancel a job: at once when queued, within seconds when running. False when ended. Raises UnknownJob."""
        return self.spool.cancel(job_id)

    def retry(self, job_id: str) -> FarmJob:
        """Queue a job that failed for good again. Raises UnknownJob when there is no dead letter of it."""
        self.spool.retry(job_id)
        return FarmJob(self, job_id)

    def forget(self, job_id: str) -> None:
        """Cancel a job nobody waits for any more, and remove what is left of it when it has ended."""
        self.spool.forget(job_id)

    def sweep(self) -> None:
        """Remove what is past its time: results, dead letters, keys, and what crashed writers left."""
        self.results.expire(self.settings.result_ttl)
        self.spool.dead.expire(self.settings.dead_ttl)
        self._keys.expire(2 * self.settings.result_ttl)
        parts.sweep(self.spool)
        self.spool.tidy()

    def close(self) -> None:
        """Stop watching for results."""
        self.results.close()

    def _files(self, status: str | None) -> Iterator[JobFile]:
        """Every job that may have *status*, in the order of a job's life, so that the latest state wins."""
        if status in (None, State.QUEUED):
            yield from (file for file, _ in self.spool.queued())
        if status in (None, State.RUNNING):
            yield from (file for files in self.spool.running().values() for file in files)
        if status not in (State.QUEUED, State.RUNNING):
            yield from (JobFile("", job_id, 0, State.SUCCEEDED) for job_id in self.results.ids())

    def _describe(self, file: JobFile) -> dict[str, Any]:
        record = self.results.get(file.id)
        if record is None and file.state is State.FAILED:
            record = self.spool.dead.reason(file.id)
        if record is not None:
            return record
        try:
            task, claimed = file.glance()
        except FileNotFoundError:
            return self.record(file.id)  # it moved on meanwhile
        running = file.state is State.RUNNING
        return {
            "id": file.id,
            "task": task,
            "status": file.state,
            "attempts": file.attempts,
            "created": born(file.id),
            "started": claimed if running else None,
            "finished": None,
            "progress": self.results.progress(file.id) if running else None,
        }


def _bytes_of(picture: Picture | None) -> list[bytes]:
    return [] if picture is None else [images.encoded(picture)]


def _put_when_room(flight: Flight[Item], job: Job, item: Item) -> None:
    while True:
        try:
            flight.put(job, item)
            return
        except SpoolFull:
            time.sleep(FULL_RETRY)
