"""What the tests of the operator's verbs share: two tasks, and jobs that have ended."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from spoolfarm.farm.farm import Farm
from spoolfarm.spool.job import Job, Result, State
from spoolfarm.spool.lease import Lease, new_worker_id
from spoolfarm.tasks import Context, Params, Task

#: A job id of January 1970, some seconds after it began.
OLD_ID = f"{10**10:016x}00000000"


class Page(Task):
    """Answers with a text, as ocr does, or fails when asked to."""

    class Wanted(Params):
        """The text, or nothing."""

        text: str = ""

    Params = Wanted
    min_images = 0
    pictures = False

    def run(self, batch: Sequence[Job], context: Context) -> list[Any]:
        if not batch[0].params["text"]:
            raise ValueError("the page is empty")
        return [{"text": batch[0].params["text"] + b"".join(batch[0].images).decode()}]


class Reader(Task):
    """Stands in for the model that reads text."""

    def run(self, batch: Sequence[Job], context: Context) -> list[Any]:
        return [{"text": "line one\nline two"}]


def job_of(farm: Farm, job_id: str) -> Job:
    """A queued job, as it is on the disk."""
    entry = farm.spool.find(job_id)
    assert entry is not None
    return Job.from_bytes(Path(entry.path).read_bytes())


def fail(farm: Farm, count: int = 1) -> list[str]:
    """Submit jobs and end them as a worker does whose task failed; return their ids, sorted."""
    ids = [farm.submit("echo").id for _ in range(count)]
    lease = Lease.take(farm.spool.workers, farm.spool.active, new_worker_id())
    cursor = farm.spool.cursor(["echo"])
    while claims := farm.spool.claim(lease, cursor, lambda _: count):
        for claim in claims:
            ended = Result(
                claim.job.id,
                "echo",
                State.FAILED,
                1,
                claim.job.created,
                None,
                time.time(),
                error="no luck",
                code="task_error",
            )
            farm.spool.finish(claim, ended)
    lease.end()
    return sorted(ids)


def succeed(farm: Farm, job_id: str, result: Any) -> None:
    """Make a result visible as a worker does."""
    now = time.time()
    farm.results.publish(Result(job_id, "echo", State.SUCCEEDED, 1, now, now, now, result), sync=False)
