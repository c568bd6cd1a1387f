"""Gathering: the jobs of one request for many, answered together and in their order."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from spoolfarm.errors import JobFailed, WaitTimeout
from spoolfarm.farm.farm import Farm
from spoolfarm.farm.pauses import why
from spoolfarm.spool.job import Job
from spoolfarm.tasks import Answer

Item = TypeVar("Item")

#: Jobs of one request that are under way at once: more than workers need, but not all that wait to be read.
AHEAD = 64


def gather(
    farm: Farm, pairs: Iterable[tuple[Item, Job]], count: int, timeout: float | None = None
) -> list[tuple[Item, Answer | JobFailed]]:
    """Queue the jobs of *pairs*, at most *count*, wait for all and return, in order, (item, answer or how it failed).

    None is queued unless there is room for all; then *pairs* are drawn a few at a time. Leaves nothing behind.
    Raises WaitTimeout when *timeout* (FARM_TIMEOUT when None) is over: all go on, and can be collected.
    """
    end = time.monotonic() + (seconds := farm.settings.timeout if timeout is None else timeout)
    farm.admission.take(count)
    items: list[Item] = []
    ids: list[str] = []
    tasks: set[str] = set()
    records: list[dict[str, Any]] = []

    def wait() -> bool:
        """Whether the next result is there, at once or in time."""
        if record := farm.results.wait(ids[len(records)], end - time.monotonic()):
            records.append(record)
        return record is not None

    try:
        for item, job in pairs:
            if len(ids) - len(records) >= AHEAD:
                wait()
            farm.put(job, admitted=True)
            items.append(item)
            ids.append(job.id)
            tasks.add(job.task)
    except BaseException:
        for job_id in ids:
            farm.forget(job_id)
        raise
    while len(records) < len(ids):
        if not wait():
            first = ids[len(records)]
            said = f"not all {len(ids)} results within {seconds:g} s{why(farm.spool, tasks)}"
            raise WaitTimeout(said, job_id=first, job_ids=ids)
    return [(item, _collected(farm, record)) for item, record in zip(items, records, strict=True)]


def _collected(farm: Farm, record: Mapping[str, Any]) -> Answer | JobFailed:
    try:
        return farm.collect(record)
    except JobFailed as error:
        return error
