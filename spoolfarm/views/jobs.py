"""`/v1/jobs`: submit a job, look at it, follow it, cancel it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from flask import Blueprint, Response, request

from spoolfarm.errors import InvalidRequest
from spoolfarm.job import State
from spoolfarm.results import ended
from spoolfarm.views import answer, farm
from spoolfarm.views.body import prefer_wait, read_job

blueprint = Blueprint("jobs", __name__, url_prefix="/v1/jobs")

#: How many jobs one listing shows at most.
MAX_LISTED = 1000


@blueprint.post("")
def create() -> Response:
    """202 once the job is on the disk; with `Prefer: wait=SECONDS` 200 with the finished job if it ends in time."""
    asked = read_job()
    if not asked.task:
        raise InvalidRequest("task: is missing")
    job = farm().job(asked.task, asked.pictures, asked.params, priority=asked.priority, durable=True)
    submitted = farm().put(job, key=request.headers.get("Idempotency-Key"))
    wait = prefer_wait()
    if wait is None:
        record = {"id": submitted.id, "task": job.task, "status": State.QUEUED}
    else:
        record = farm().wait_record(submitted.id, wait)
    response = answer(record, 200 if ended(record) else 202)
    response.headers["Location"] = f"/v1/jobs/{submitted.id}"
    if wait is not None:
        response.headers["Preference-Applied"] = f"wait={wait:g}"
    return response


@blueprint.get("")
def listing() -> Response:
    """The newest jobs first, with `status`, `task`, `limit` and `before` (an id) to choose."""
    status = request.args.get("status")
    if status is not None and status not in list(State):
        raise InvalidRequest(f"status: must be one of {', '.join(State)}")
    limit = request.args.get("limit", "100")
    if not limit.isdecimal() or not 1 <= int(limit) <= MAX_LISTED:
        raise InvalidRequest(f"limit: must be a whole number from 1 to {MAX_LISTED}")
    found = farm().jobs(
        status=status, task=request.args.get("task"), before=request.args.get("before", "g"), limit=int(limit)
    )
    return answer({"jobs": found, "next": found[-1]["id"] if len(found) == int(limit) else None})


@blueprint.get("/<job_id>")
def show(job_id: str) -> Response:
    """All that is known of a job."""
    return answer(farm().record(job_id))


@blueprint.delete("/<job_id>")
def cancel(job_id: str) -> Response:
    """Cancel a job; `cancelled` is false when it had ended already."""
    cancelled = farm().cancel(job_id)
    return answer({"id": job_id, "cancelled": cancelled, "status": farm().record(job_id)["status"]})


@blueprint.post("/<job_id>/retry")
def retry(job_id: str) -> Response:
    """Queue a job that failed for good again."""
    farm().retry(job_id)
    response = answer({"id": job_id, "status": State.QUEUED}, 202)
    response.headers["Location"] = f"/v1/jobs/{job_id}"
    return response


@blueprint.get("/<job_id>/events")
def events(job_id: str) -> Response:
    """Server-Sent Events: `status`, `progress`, `log` and at last `end`. `Last-Event-ID` goes on where it broke off."""
    farm().record(job_id)
    start = request.headers.get("Last-Event-ID", "0")
    if not start.isdecimal():
        raise InvalidRequest("Last-Event-ID: must be the id of an event")
    stream = Response(_stream(farm().follow(job_id, int(start))), mimetype="text/event-stream")
    stream.headers["Cache-Control"] = "no-store"
    stream.headers["X-Accel-Buffering"] = "no"
    return stream


def _stream(happened: Iterator[dict[str, Any] | None]) -> Iterator[str]:
    for event in happened:
        if event is None:
            yield ":\n\n"  # tells us whether anybody still listens
        elif "record" in event:
            yield _event("end", event["record"])
        elif "log" in event:
            yield _event("log", {"line": event["log"], "at": event["at"]}, event["next"])
        elif "progress" in event:
            yield _event("progress", {"progress": event["progress"]}, event["next"])
        else:
            yield _event("status", event)


def _event(name: str, data: dict[str, Any], number: int | None = None) -> str:
    lines = [f"event: {name}", f"data: {json.dumps(data, ensure_ascii=False)}"]
    if number is not None:
        lines.append(f"id: {number}")
    return "\n".join(lines) + "\n\n"
