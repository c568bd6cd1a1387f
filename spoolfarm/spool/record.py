"""A record: what is known of a job, as `GET /v1/jobs/<id>` shows it, and what it means for whoever waits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spoolfarm.errors import JobCancelled, JobFailed
from spoolfarm.spool.job import State

#: Seconds that stand for "no limit" where a wait must have an end: ten years.
FOREVER = 10 * 365 * 86400.0


def ended(record: dict[str, Any]) -> bool:
    """Whether *record* is of a job that is over."""
    return record["status"] in (State.SUCCEEDED, State.FAILED, State.CANCELLED)


def outcome(record: Mapping[str, Any]) -> Any:
    """The result in the record of an ended job. Raises JobFailed or JobCancelled when there is none."""
    if record["status"] == State.SUCCEEDED:
        return record["result"]
    raise failure(record)


def failure(record: Mapping[str, Any]) -> JobFailed:
    """How a job ended that has no result, as an error."""
    kind = JobCancelled if record["status"] == State.CANCELLED else JobFailed
    return kind(record.get("error") or "", code=record.get("code") or "", record=dict(record))
