"""Locator: which directory of the spool holds a job now, and so what state it is in."""

from __future__ import annotations

import os
from collections.abc import Iterator

from spoolfarm.spool import files
from spoolfarm.spool.deadletters import DeadLetters
from spoolfarm.spool.job import FIRST, LAST, State, slot_of
from spoolfarm.spool.jobfile import JobFile, given_back, job_files
from spoolfarm.spool.results import ID, Results


class Locator:
    """The places of the spool that may hold a job, whose name says that it was claimed at most *attempts* times."""

    def __init__(
        self, queue: str, active: str, marks: str, dead: DeadLetters, results: Results, *, attempts: int
    ) -> None:
        self._queue = queue
        self.active = active
        self._marks = marks
        self._dead = dead
        self.results = results
        self.attempts = attempts

    def find(self, job_id: str) -> JobFile | None:
        """Where a job is now; None when there is none of that id. An ended job's file points at its result."""
        if not ID.fullmatch(job_id):
            return None
        # Twice each, because a job given back meanwhile moves against the order in which we look. Only a job that was
        # claimed while more attempts were allowed has a name that is not tried.
        for look in (self._by_name, self._by_name, self._by_listing, self._by_listing):
            for directory, state in self._places(job_id):
                if (file := look(directory, job_id, state)) is not None:
                    return file
            if (record := self.results.get(job_id)) is not None:
                path = f"{self.results.root}/{job_id}.json"
                return JobFile(path, job_id, record["attempts"], State(record["status"]))
        if self.results.exists(job_id):
            return JobFile(f"{self.results.root}/{job_id}.json", job_id, 0, State.FAILED)  # damaged
        return None

    def _by_name(self, directory: str, job_id: str, state: State) -> JobFile | None:
        path = f"{directory}/{job_id}.a0"
        if os.path.exists(path):
            return JobFile(path, job_id, 0, state)
        for attempts in range(self.attempts + 1):
            path = f"{directory}/{given_back(job_id, attempts)}"
            if os.path.exists(path):
                return JobFile(path, job_id, attempts, state)
        return None

    def _by_listing(self, directory: str, job_id: str, state: State) -> JobFile | None:
        return next((file for file in job_files(directory, state) if file.id == job_id), None)

    def _places(self, job_id: str) -> Iterator[tuple[str, State]]:
        """The directories that may hold a job, in the order in which it passes through them."""
        names = [f"{priority}{slot_of(job_id)}" for priority in range(FIRST, LAST + 1)]
        for task in files.names(self._queue):
            there = set(files.names(f"{self._queue}/{task}"))
            yield from ((f"{self._queue}/{task}/{name}", State.QUEUED) for name in names if name in there)
        for wid in files.names(self.active):
            yield f"{self.active}/{wid}", State.RUNNING
        yield self._marks, State.CANCELLED
        yield self._dead.path(job_id), State.FAILED
