"""A record: what is known of a job, as `GET /v1/jobs/<id>` shows it, and what it means for a waiting caller."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spoolfarm.errors import JobCancelled, JobFailed
from spoolfarm.spool import checksum
from spoolfarm.spool.job import NUMBER, State

#: Seconds that stand for "no limit" where a wait must have an end: ten years.
FOREVER = 10 * 365 * 86400.0


#: The states of a job that is over.
ENDED = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED})


#: What a time is in JSON that may not have come.
TIME = (*NUMBER, type(None))


class DamagedRecord(ValueError):
    """The bytes are not the whole record of a job that has ended."""


def parsed(data: bytes, job_id: str) -> dict[str, Any]:
    """The record of the ended job *job_id* in the bytes of its file. Raises DamagedRecord."""
    try:
        record = checksum.opened(data)
    except checksum.Altered as error:
        raise DamagedRecord(str(error)) from error
    if record.get("id") != job_id or record.get("status") not in ENDED:
        raise DamagedRecord("it is not the record of this job")
    names = record.get("files")
    if not (
        isinstance(record.get("task"), str)
        and isinstance(record.get("attempts"), NUMBER)
        and isinstance(record.get("created"), NUMBER)
        and isinstance(record.get("finished"), NUMBER)
        and isinstance(record.get("started"), TIME)
        and (names is None or (isinstance(names, list) and all(isinstance(name, str) for name in names)))
        and ("result" in record or record["status"] != State.SUCCEEDED)
    ):
        raise DamagedRecord("it lacks something, or holds what does not belong there")
    return record


def damaged(job_id: str, created: float, error: str) -> dict[str, Any]:
    """What is shown of an ended job whose record is damaged, as *error* says."""
    return {
        "id": job_id,
        "task": "?",
        "status": State.FAILED,
        "attempts": 0,
        "created": created,
        "started": None,
        "finished": created,
        "progress": None,
        "error": error,
        "code": "damaged",
    }


def ended(record: dict[str, Any]) -> bool:
    """Whether *record* is of a job that is over."""
    return record["status"] in ENDED


def outcome(record: Mapping[str, Any]) -> Any:
    """The result in the record of an ended job. Raises JobFailed or JobCancelled when there is none."""
    if record["status"] == State.SUCCEEDED:
        return record["result"]
    raise failure(record)


def failure(record: Mapping[str, Any]) -> JobFailed:
    """How a job without a result ended, as an error."""
    kind = JobCancelled if record["status"] == State.CANCELLED else JobFailed
    return kind(record.get("error") or "", code=record.get("code") or "", record=dict(record))
