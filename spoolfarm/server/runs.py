"""All runs: the folders in the Flower project and the jobs that made them, as one list, looked at once for all."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from spoolfarm.errors import RunInUse, UnknownFile, UnknownJob, UnknownRun
from spoolfarm.farm.farm import Farm
from spoolfarm.farm.query import LAST_ID, Query
from spoolfarm.spool.job import State
from spoolfarm.spool.record import ended
from spoolfarm.tasks.flower import model_files
from spoolfarm.tasks.flower.project import Model, Project
from spoolfarm.tasks.flower.runs import COMPLETED, FAILED, QUEUED, RUNNING, STOPPED, Run, Runs

#: The jobs that are runs.
SIMULATIONS = Query(task="simulate")
#: What the states of jobs are called here.
STATES = {
    State.QUEUED: QUEUED,
    State.RUNNING: RUNNING,
    State.SUCCEEDED: COMPLETED,
    State.CANCELLED: STOPPED,
    State.FAILED: FAILED,
}
#: Seconds for which a look is good for all, and the same as a multiple of what it took.
FRESH, SHARE = 0.9, 20
#: Jobs that are read at once, and seconds after which all are read again: some may be gone.
PAGE, WHOLE = 50, 30.0
#: Seconds that one look at the jobs may take.
LONGEST = 2.0


@dataclass(frozen=True, slots=True)
class Entry:
    """A run: its folder, the record of its job, or both."""

    run: Run | None
    record: Mapping[str, Any] | None

    @property
    def id(self) -> str:
        """The name of the folder; of a job without one, the job's id."""
        return self.run.name if self.run else str(self.record and self.record["id"])

    @property
    def job(self) -> str | None:
        """The id of the job that made it; None where a person started it."""
        return str(self.record["id"]) if self.record else (self.run and self.run.job) or None

    @property
    def state(self) -> str:
        """queued, running, completed, stopped or failed."""
        if self.record is None:
            return self.run.state if self.run else FAILED
        state = STATES[State(self.record["status"])]
        was_stopped = state == FAILED and self.run is not None and self.run.state == STOPPED
        return STOPPED if was_stopped else state

    @property
    def is_over(self) -> bool:
        """Whether nothing is done for it any more."""
        return self.state not in (QUEUED, RUNNING)

    @property
    def started(self) -> float:
        """When it began, or was submitted where it has not begun, in seconds since the epoch."""
        if self.run:
            return self.run.started
        return float((self.record and (self.record["started"] or self.record["created"])) or 0.0)

    @property
    def seconds(self) -> float | None:
        """How long it has taken; None before it has begun."""
        if self.record and self.record["started"]:
            return round(float((self.record["finished"] or time.time()) - self.record["started"]), 1)
        if self.run is None:
            return None
        if self.is_over and self.run.seconds:
            return self.run.seconds
        return round(max(0.0, (self.run.written if self.is_over else time.time()) - self.run.started), 1)


class RunList:
    """The runs of *project* and of *farm*. Any number of threads may ask."""

    def __init__(self, farm: Farm, project: Project) -> None:
        self._farm = farm
        self._project = project
        self._runs = Runs(project)
        self._lock = threading.Lock()
        self._jobs: dict[str, dict[str, Any]] = {}
        self._seen: dict[str, Entry] = {}
        #: When to look again, and when to read all jobs again, by time.monotonic().
        self._stale = self._whole = 0.0

    def all(self) -> list[Entry]:
        """Every run as it was a moment ago, the newest first."""
        return list(self._entries().values())

    def get(self, run_id: str) -> Entry:
        """The run of that id, which may also be that of its job. Raises UnknownRun."""
        entries = self._entries()
        found = entries.get(run_id) or next((each for each in entries.values() if each.job == run_id), None)
        if found is None:
            found = self._just_submitted(run_id)
        return found

    def params(self, entry: Entry) -> Mapping[str, Any] | None:
        """What the run was asked to do: the settings of its record, or the parameters of its job; None if unknown."""
        if entry.run and entry.run.settings:
            return entry.run.settings
        if entry.job is None:
            return None
        try:
            return self._farm.inputs.job(entry.job).params
        except (UnknownFile, UnknownJob):
            return None

    def rename(self, model: Model, name: str) -> Model:
        """Give *model* another id. Raises RunInUse while it is made, and what `model_files.rename` does."""
        job = self._checked(model.id).job if model.is_run else None
        renamed = model_files.rename(self._project, model, name, job or "")
        self._forget()
        return renamed

    def remove_model(self, model: Model) -> None:
        """Remove *model*; one that a run has made goes with the run. Raises RunInUse or BadProject."""
        if model.is_run:
            self.remove(model.id)
        else:
            model_files.remove(self._project, model)

    def remove(self, run_id: str) -> Entry:
        """Remove a run that is over: its folder and its jobs. Raises UnknownRun, RunInUse or BadProject."""
        entry = self._checked(run_id)
        if entry.run:
            model_files.remove_run(self._project, entry.run.name)
        for job_id in [each["id"] for each in self._jobs.values() if entry.id in (each["id"], _folder(each))]:
            self._remove_job(job_id)
        if entry.job:
            self._remove_job(entry.job)
        self._forget()
        return entry

    def _remove_job(self, job_id: str) -> None:
        self._farm.remove_result(job_id)
        self._farm.remove_dead_letter(job_id)

    def _checked(self, run_id: str) -> Entry:
        self._forget()
        entry = self.get(run_id)
        if not entry.is_over:
            raise RunInUse(f"the run {entry.id!r} is {entry.state}")
        return entry

    def _forget(self) -> None:
        """Look again when the next one asks: something has changed."""
        with self._lock:
            self._stale = self._whole = 0.0

    def _entries(self) -> dict[str, Entry]:
        with self._lock:
            begin = time.monotonic()
            if begin >= self._stale:
                self._jobs = self._look_at_jobs(begin)
                joined = _joined(self._runs.all(), self._jobs.values())
                self._seen = {each.id: each for each in sorted(joined, key=lambda each: each.started, reverse=True)}
                self._stale = begin + max(FRESH, SHARE * (time.monotonic() - begin))
            return self._seen

    def _look_at_jobs(self, begin: float) -> dict[str, dict[str, Any]]:
        """The records of all simulations; of those that had ended at the last look, only some are read again."""
        known = self._jobs if begin < self._whole else {}
        if not known:
            self._whole = begin + WHOLE
        found: dict[str, dict[str, Any]] = {}
        before: str | None = LAST_ID
        while before is not None and time.monotonic() < begin + LONGEST:
            page = self._farm.page(SIMULATIONS, before, PAGE)
            found |= {record["id"]: record for record in page.records}
            before = page.next
            if page.records and all(_has_ended(known.get(record["id"])) for record in page.records):
                break
        older = {job_id: record for job_id, record in known.items() if job_id not in found}
        for job_id in [each for each, record in older.items() if not ended(record)]:
            try:
                older[job_id] = self._farm.record(job_id)
            except UnknownJob:
                del older[job_id]
        return older | found

    def _just_submitted(self, run_id: str) -> Entry:
        try:
            record = self._farm.record(run_id)
        except UnknownJob:
            record = {}
        if record.get("task") != SIMULATIONS.task:
            raise UnknownRun(f"no run is called {run_id!r}; GET /v1/runs lists them")
        return Entry(None, record)


def _has_ended(record: dict[str, Any] | None) -> bool:
    return record is not None and ended(record)


def _joined(runs: Mapping[str, Run], records: Iterable[dict[str, Any]]) -> list[Entry]:
    """Folders with the newest job that wrote each, and the jobs that have no folder."""
    by_job = {run.job: name for name, run in runs.items() if run.job}
    made: dict[str, dict[str, Any]] = {}
    alone = []
    for record in sorted(records, key=lambda record: str(record["id"])):
        folder = by_job.get(record["id"]) or _folder(record)
        if folder in runs:
            made[folder] = record
        else:
            alone.append(Entry(None, record))
    return [*(Entry(run, made.get(name)) for name, run in runs.items()), *alone]


def _folder(record: Mapping[str, Any]) -> str:
    """The folder that the record of an ended job names, or ""."""
    told = record.get("result") or record.get("details")
    folder = told.get("folder") if isinstance(told, dict) else None
    return folder if isinstance(folder, str) else ""
