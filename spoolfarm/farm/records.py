"""Records: what is known of jobs, wherever they are now."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from spoolfarm.errors import UnknownJob
from spoolfarm.spool.files import modified
from spoolfarm.spool.job import State, origin
from spoolfarm.spool.jobfile import JobFile, born
from spoolfarm.spool.lease import ready
from spoolfarm.spool.record import ENDED, ended
from spoolfarm.spool.spool import Spool

#: Seconds for which a job that is waited for is assumed to exist: most results are there by then.
SOON = 0.05


class Records:
    """The records of the jobs in *spool*, which are kept for *kept* seconds after their end."""

    def __init__(self, spool: Spool, *, kept: float) -> None:
        self._spool = spool
        self._results = spool.results
        self._kept = kept

    def get(self, job_id: str) -> dict[str, Any]:
        """All that is known of a job. Raises UnknownJob."""
        file = self._spool.find(job_id)
        if file is None:
            raise UnknownJob(f"no job {job_id!r}; results are kept for {self._kept:g} s")
        return self.of(file)

    def wait(self, job_id: str, timeout: float) -> dict[str, Any]:
        """The record of a job, as soon as it has ended, or as it is when *timeout* seconds are over."""
        if record := self._results.wait(job_id, min(timeout, SOON)):
            return record
        record = self.get(job_id)
        if ended(record) or timeout <= SOON:
            return record
        return self._results.wait(job_id, timeout - SOON) or self.get(job_id)

    def unfinished(self) -> list[str]:
        """The ids of all jobs that are queued or running."""
        running = (file.id for files in self._spool.running().values() for file in files)
        return [*(file.id for file, _ in self._spool.queued()), *running]

    def ended(self) -> dict[str, float]:
        """The ids of all results, each with when its job ended.

        Never earlier than the start that its id gives, whatever a clock or a copy did to the file's time.
        """
        root = self._results.root
        return {each: max(modified(f"{root}/{each}.json"), born(each)) for each in self._results.ids()}

    def dead(self) -> dict[str, float]:
        """The ids of all jobs that failed for good, each with when it was buried."""
        return {each: modified(self._spool.dead.path(each)) for each in self._spool.dead.ids()}

    def running(self) -> list[dict[str, Any]]:
        """See `Farm.running`."""
        found = []
        nodes = {each["worker"]: {"node": each["node"]} for each in ready(self._spool.workers) if "node" in each}
        for wid, files in sorted(self._spool.running().items()):
            for file in files:
                try:
                    record = self.of(file)
                except UnknownJob:
                    continue  # it ended meanwhile and left nothing
                if record["status"] == State.RUNNING:
                    seconds = round(max(0.0, time.time() - record["started"]), 1)
                    where = {"worker": wid, **nodes.get(wid, {})}
                    found.append({"id": file.id, "task": record["task"], **where, "seconds": seconds})
        return found

    def log(self, job_id: str) -> list[dict[str, Any]]:
        """See `Farm.log`."""
        return self._results.read_log(job_id) or self.get(job_id).get("log", [])

    def follow(self, job_id: str, start: int) -> Iterator[dict[str, Any] | None]:
        """See `Farm.follow`."""
        status = None
        for event in self._results.follow(job_id, start):
            if event is None or ("record" not in event and status != State.RUNNING):
                record = self.get(job_id)
                if record["status"] != status:
                    yield {"status": record["status"]}
                    status = record["status"]
                if event is None and ended(record) and not self._results.exists(job_id):
                    yield from (line for line in record.get("log", ()) if line.get("next", 0) > start)
                    yield {"record": record}  # a dead letter whose result has expired
                    return
            yield event

    def of(self, file: JobFile) -> dict[str, Any]:
        """All that is known of the job in *file*. Raises UnknownJob when it is gone."""
        record = self.of_ended(file.id) if file.state in ENDED else self._results.get(file.id)
        if record is not None:
            return record
        try:
            header, claimed = file.glance()
        except FileNotFoundError:
            return self.get(file.id)  # it moved on meanwhile
        running = file.state is State.RUNNING
        shown: dict[str, Any] = {
            "id": file.id,
            "task": str(header["task"]),
            "status": file.state,
            "attempts": file.attempts,
            "created": born(file.id),
            "started": claimed if running else None,
            "finished": None,
            "progress": self._results.progress(file.id) if running else None,
            **origin(header),
        }
        if running:
            shown["worker"] = file.worker
        if file.attempts > running and (lost := self._results.lost(file.id)):
            shown["lost"] = lost
        return shown

    def of_ended(self, job_id: str) -> dict[str, Any] | None:
        """The record of an ended job, by its result or else its dead letter; None when there is neither."""
        return self._results.get(job_id) or self._spool.dead.reason(job_id) or self._results.told(job_id)
