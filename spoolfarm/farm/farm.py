"""The farm: the bridge to the spool, used by the HTTP front, the command line and library users."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spoolfarm import config, images
from spoolfarm.errors import InvalidParams, InvalidRequest, WaitTimeout
from spoolfarm.farm import owner, subjobs
from spoolfarm.farm.admission import Admission
from spoolfarm.farm.changes import Changes
from spoolfarm.farm.figures import Figures, count
from spoolfarm.farm.inputs import Inputs
from spoolfarm.farm.listing import Listing, Page
from spoolfarm.farm.mapping import Item, mapped
from spoolfarm.farm.pauses import Pauses
from spoolfarm.farm.query import LAST_ID, Query
from spoolfarm.farm.records import Records
from spoolfarm.farm.staff import FIRST_LOOK, NEXT_LOOK, Staff
from spoolfarm.farm.subjobs import Subjobs
from spoolfarm.farm.totals import Totals
from spoolfarm.spool import lease, sweep_clock
from spoolfarm.spool.idempotency import IdempotencyKeys
from spoolfarm.spool.job import FIRST, LAST, NORMAL, Job
from spoolfarm.spool.record import FOREVER, ended, outcome
from spoolfarm.spool.results import Results
from spoolfarm.spool.spool import Spool
from spoolfarm.tasks import Answer, checked, wrong_number
from spoolfarm.tasks.registry import Registry

if TYPE_CHECKING:
    from spoolfarm.images import Picture

#: Characters of a file's name that its job keeps, the last ones.
LONGEST_NAME = 1024
#: Jobs that `map` has under way at once.
IN_FLIGHT = 256
#: As FIRST_LOOK, for a job that was submitted: who starts a worker after it may wait for it at once.
SUBMITTED_LOOK = 3.0


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
        return self._farm.file(self.id, name).read_bytes()

    def cancel(self) -> bool:
        """Cancel the job: at once when queued, within seconds when running. False when it has ended."""
        return self._farm.cancel(self.id)


class Farm:
    """The farm on this machine. Without arguments it is the one that the settings name.

    There is one way to do each thing: `submit` a job and collect it later, `call` a task and wait, `map` it over many
    pictures, or query a job by its id (`record`, `wait`, `follow`, `file`). A caller that has a request instead of a
    picture does the same in steps: `prepare` checks it and makes a job, `put` queues it, `answer` queues it and waits.
    """

    def __init__(
        self,
        spool_dir: str | os.PathLike[str] | None = None,
        results_dir: str | os.PathLike[str] | None = None,
        *,
        settings: config.Settings | None = None,
        make: bool | None = None,
        source: str = "python",
        caller: Callable[[], Mapping[str, Any]] = dict,
    ) -> None:
        """With *make* its directories are made if they do not exist; otherwise that raises NoFarm.

        By default a farm is made in a checkout and where the caller names it, but not in an arbitrary directory.
        *source* is who submits jobs here, as their records say; *caller* tells the request that does so now.
        """
        self.settings = settings or config.load()
        if make is None:
            make = self.settings.in_checkout or settings is not None or spool_dir is not None
        root = os.fspath(spool_dir or self.settings.spool_dir)
        owner.check(root)
        self.results = Results(os.fspath(results_dir or self.settings.results_dir), make=make)
        self.spool = Spool(
            root, self.results, max_attempts=self.settings.max_attempts, keep_mb=self.settings.keep_mb, make=make
        )
        self.tasks = Registry(self.settings.tasks, self.settings.enable, self.settings.by_name())
        self.admission = Admission(
            self.spool,
            limit=self.settings.max_queued,
            min_free_mb=self.settings.min_free_mb,
            others=[self.settings.data_dir],
        )
        self.pauses = Pauses(self.spool, self.tasks)
        self.root = self.spool.root
        self._source = source
        self._caller = caller
        #: The hot folder's directory, with one folder for each task.
        self.inbox = f"{self.root}/inbox"
        self._records = Records(self.spool, kept=self.settings.result_ttl)
        self._listing = Listing(self.spool, self._records)
        self._keys = IdempotencyKeys(self.spool.keys)
        self._staff = Staff(self.spool)
        self.inputs = Inputs(self.spool, self.settings.max_pixels)
        self.changes = Changes(self.spool)

    # Submit, call, map.

    def submit(
        self, task: str, image: Picture | None = None, *, priority: int = NORMAL, durable: bool = True, **params: Any
    ) -> FarmJob:
        """Accept a job: when this returns it is on disk, and will be done even after a power cut.

        *durable* False skips the syncs, for callers that wait for the result themselves. Raises UnknownTask,
        InvalidRequest, InvalidParams, SpoolFull, SpoolUnavailable, or what `images.check` raises.
        """
        pictures, name = images.given(image)
        return self.put(self.prepare(task, pictures, params, priority=priority, durable=durable, name=name))

    def call(self, task: str, image: Picture | None = None, *, timeout: float | None = None, **params: Any) -> Any:
        """Run a job and return its result, leaving nothing behind. Raises what `submit` and `FarmJob.wait` raise.

        Where no farm runs it raises NoWorker after a moment, and the job is withdrawn.
        """
        pictures, name = images.given(image)
        job = self.prepare(task, pictures, params, name=name)
        seconds = self.settings.timeout if timeout is None else timeout
        self.put(job)
        record = self.results.wait(job.id, min(seconds, FIRST_LOOK))
        if record is None and seconds > FIRST_LOOK:
            try:
                self._staff.check([job.task])
            except WaitTimeout:
                self.forget(job.id)  # nobody will collect it
                raise
            record = self.results.wait(job.id, seconds - FIRST_LOOK)
        return self.collect(self._in_time(record, job, seconds)).value

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
        ValueError at once when *in_flight* is below 1, and NoWorker, after a moment, where no farm runs.
        """
        if in_flight < 1:
            raise ValueError(f"in_flight must be at least 1, not {in_flight}")

        def made(item: Item) -> Job:
            sent, name = images.given(item)  # type: ignore[arg-type]
            return self.prepare(task, sent, params, priority=priority, name=name)

        return mapped(
            iter(items), made, in_flight, self.spool, self._staff, self.put, return_exceptions=return_exceptions
        )

    # The same in steps.

    def prepare(
        self,
        task: str,
        pictures: Sequence[bytes],
        params: Mapping[str, Any],
        *,
        priority: int = NORMAL,
        durable: bool = False,
        field: str = "image",
        name: str = "",
    ) -> Job:
        """A job that can work as far as anyone can tell without decoding; *field* names the pictures in errors.

        *name* is that of the file that its picture was, for whoever looks for the job.
        Raises TaskUnavailable, too, for a task that no worker can run.
        """
        task = self.tasks.meant(task, pictures, params, field)
        known = self.tasks.get(task)
        self.spool.disabled.check(task)
        if not isinstance(priority, int) or not FIRST <= priority <= LAST:
            raise InvalidParams(f"priority: must be a whole number from {FIRST} to {LAST}, not {priority!r}")
        validated = checked(known, task, params)
        if not known.min_images <= len(pictures) <= known.max_images:
            raise InvalidRequest(wrong_number(known, task, field, len(pictures)))
        if known.pictures:
            for index, picture in enumerate(pictures):
                which = field if len(pictures) == 1 else f"{field}[{index}]"
                if not (known.pdf and images.is_pdf(picture)):
                    images.check(picture, which, self.settings.max_pixels, pdf=known.pdf)
        kept = name and name[-LONGEST_NAME:].encode(errors="replace").decode()
        about: dict[str, Any] = {"tries": known.tries, "source": self._source, "name": kept, **self._caller()}
        return Job(task, validated, pictures, priority=priority, durable=durable, **about)

    def put(self, job: Job, *, key: str | None = None, admitted: bool = False) -> FarmJob:
        """Queue *job*. With an idempotency *key*, a repeat returns the job that the key started first.

        *admitted*: the caller has taken room for it from `admission`. Raises SpoolFull, SpoolUnavailable, InvalidParams
        or KeyConflict.
        """
        if key is None:
            self._put(job, admitted)
            return FarmJob(self, job.id)
        with self._keys.lock:
            first = self._keys.job_id(key, job)
            if first == job.id or self.spool.find(first) is None:  # a crash may have come between key and job
                self._put(replace(job, id=first), admitted)
            return FarmJob(self, first)

    def _put(self, job: Job, admitted: bool) -> None:
        if not admitted:
            self.admission.take()
        try:
            self.spool.put(job)
        except (TypeError, ValueError) as error:
            raise InvalidParams(f"params: hold something that JSON in UTF-8 cannot say: {error}") from error

    def answer(self, job: Job, timeout: float | None = None) -> Answer:
        """Queue *job*, wait and return its result with its files, leaving nothing behind.

        Raises WaitTimeout when *timeout* seconds (FARM_TIMEOUT when None) are over: the job goes on, and can be
        collected.
        """
        self.put(job)
        seconds = self.settings.timeout if timeout is None else timeout
        return self.collect(self._in_time(self.results.wait(job.id, seconds), job, seconds))

    def _in_time(self, record: dict[str, Any] | None, job: Job, seconds: float) -> dict[str, Any]:
        """The *record* of *job* when it came within *seconds*, else a WaitTimeout."""
        if record is None:
            raise WaitTimeout(f"no result within {seconds:g} s{self._staff.lack(job.task)}", job_id=job.id)
        return record

    def collect(self, record: Mapping[str, Any]) -> Answer:
        """Take the result and its files away. Raises JobFailed, or UnknownFile when somebody else was faster."""
        attached = self.results.contents(record)
        self.results.collect(record)
        return Answer(outcome(record), attached)

    def subjobs(self, whole: Job, check: Callable[[], None]) -> Subjobs:
        """The jobs that the running job *whole* has other workers do; *check* raises when it is to stop."""
        return Subjobs(self.spool, self.tasks, self.settings.workers, whole, check)

    # Ask.

    def record(self, job_id: str) -> dict[str, Any]:
        """All that is known of a job. Raises UnknownJob."""
        return self._records.get(job_id)

    def wait(self, job_id: str, timeout: float | None = None) -> Any:
        """The result of a job. Raises UnknownJob, JobFailed, JobCancelled or WaitTimeout.

        NoWorker, which is a WaitTimeout too, says that no farm runs; the job waits on for one.
        """
        seconds = FOREVER if timeout is None else timeout
        end, pause = time.monotonic() + seconds, SUBMITTED_LOOK
        while not ended(record := self.wait_record(job_id, max(0.0, min(pause, end - time.monotonic())))):
            if time.monotonic() >= end:
                why = self._staff.lack(record["task"])
                raise WaitTimeout(f"no result within {seconds:g} s{why}", job_id=job_id)
            self._staff.check([record["task"]], job_id)
            pause = NEXT_LOOK
        return outcome(record)

    def wait_record(self, job_id: str, timeout: float) -> dict[str, Any]:
        """The record of a job, as soon as it has ended, or as it is when *timeout* seconds are over."""
        return self._records.wait(job_id, timeout)

    def ended(self, job_id: str) -> dict[str, Any] | None:
        """The record of a job that has ended with a result, else None; this reads one file."""
        return self.results.get(job_id)

    def file(self, job_id: str, name: str) -> Path:
        """Where the file *name* of a job's result lies. Raises UnknownJob or UnknownFile."""
        return self.results.file(job_id, name)

    def jobs(self, *, before: str = LAST_ID, limit: int = 100, **query: Any) -> list[dict[str, Any]]:
        """The records of at most *limit* jobs with an id below *before*, the newest first.

        *query* is what a Query has: `status`, `task`, `source`, parts of `name`, `error` and `id`, `since`, `until`.
        """
        return list(self._listing.pages(Query(**query), before, limit))

    def page(self, query: Query, before: str = LAST_ID, limit: int = 100) -> Page:
        """What can be found of these in a moment, and where to go on."""
        return self._listing.page(query, before, limit)

    def follow(self, job_id: str, start: int = 0) -> Iterator[dict[str, Any] | None]:
        """Yield what happens to a job: its state when it changes, its log from byte *start* on, finally its record.

        None when nothing has happened for a while, so that the caller can check whether anyone still listens. Raises
        UnknownJob.
        """
        return self._records.follow(job_id, start)

    def log(self, job_id: str) -> list[dict[str, Any]]:
        """What a job has said so far: `at`, and `log` or `progress`; of a dead letter the last lines."""
        return self._records.log(job_id)

    def running(self) -> list[dict[str, Any]]:
        """The jobs that workers have now: `id`, `task`, `worker` and `seconds` of each, and on a cluster its `node`."""
        return self._records.running()

    def unfinished(self) -> list[str]:
        """The ids of all jobs that are queued or running."""
        return self._records.unfinished()

    def ended_jobs(self) -> dict[str, float]:
        """The ids of all results, each with when its job ended, in seconds since the epoch."""
        return self._records.ended()

    def dead_letters(self) -> dict[str, float]:
        """The ids of all jobs that failed for good, each with when it was buried, in seconds since the epoch."""
        return self._records.dead()

    def workers(self) -> list[dict[str, Any]]:
        """What each living worker says about itself, once it is ready."""
        return lease.ready(self.spool.workers)

    def figures(self) -> Figures:
        """How many jobs and workers there are, and how much room the disk has."""
        return count(self.spool)

    def totals(self) -> Totals:
        """How many jobs have ended since the spool was made, whoever submitted them, and how long they took."""
        return Totals.of(self.spool)

    def missing(self) -> list[str]:
        """What keeps the farm from taking and doing general work, a sentence each; empty when nothing does."""
        nobody = not any({*self.tasks.lane("general")} & {*worker["tasks"]} for worker in self.workers())
        return list(filter(None, ["no worker is ready" if nobody else "", self.admission.problem()]))

    # Change one's mind.

    def cancel(self, job_id: str) -> bool:
        """Cancel a job: at once when queued, within seconds when running. False when ended. Raises UnknownJob."""
        return self.spool.cancel(job_id)

    def retry(self, job_id: str) -> FarmJob:
        """Queue a job that failed for good again. Raises UnknownJob when there is no dead letter of it."""
        self.spool.retry(job_id)
        return FarmJob(self, job_id)

    def forget(self, job_id: str) -> None:
        """Cancel a job that nobody waits for any more, and remove what is left of it when it has ended."""
        self.spool.forget(job_id)

    def remove_result(self, job_id: str) -> bool:
        """Remove the result of a job, its files and its log. False when there is none."""
        self.spool.done.remove(job_id)
        return self.results.remove(job_id)

    def remove_dead_letter(self, job_id: str) -> None:
        """Remove a job that failed for good."""
        self.spool.dead.remove(job_id)

    def sweep(self) -> None:
        """Remove what has expired: results, dead letters, keys, and what crashed writers left."""
        now = sweep_clock.believed(self.spool.root)
        self.results.expire(self.settings.result_ttl, now)
        self.spool.dead.expire(self.settings.dead_ttl, now)
        self.spool.done.expire(self.settings.result_ttl, now)
        self._keys.expire(2 * self.settings.result_ttl, now)
        subjobs.sweep(self.spool)
        self.spool.tidy(now)

    def close(self) -> None:
        """Stop watching for results."""
        self.changes.close()
        self.inputs.close()
        self.results.close()
