"""`/v1/jobs`: submit a job, look at it, follow it, cancel it."""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Iterator
from typing import Any, Literal

from flask import Blueprint, Response, request, send_file
from pydantic import BaseModel, Field

from spoolfarm.errors import InvalidRequest, UnknownJob
from spoolfarm.farm.query import Query
from spoolfarm.server.current import address, farm, json_response
from spoolfarm.server.endpoint import (
    JOB_ID,
    JSON,
    MULTIPART,
    PICTURE,
    PREFER,
    RAW_PRIORITY,
    RAW_TASK,
    Body,
    Endpoint,
    Parameter,
)
from spoolfarm.server.event_stream import SILENCE, event_stream, event_text
from spoolfarm.server.models import Cancelled, Listing, Queued, Record
from spoolfarm.server.request_body import JobBody, JobForm, checked, prefer_wait, read_job
from spoolfarm.spool.job import State
from spoolfarm.spool.record import ended

blueprint = Blueprint("jobs", __name__, url_prefix="/v1/jobs")

#: How many jobs one listing shows at most.
MAX_LISTED = 1000
#: The largest number of an event: the byte of a log after which it was said.
MAX_EVENT = 2**53


class JobsFilter(BaseModel):
    """Which jobs are meant: those that fit all that is said."""

    status: Literal["queued", "running", "succeeded", "failed", "cancelled"] | None = None
    task: str | None = None
    source: str | None = Field(default=None, description="who submitted it: http, cli, python, inbox, batch or part")
    name: str = Field(default="", description="part of the name of its file, in any case")
    error: str = Field(default="", description="part of the text of its error, in any case")
    id: str = Field(default="", description="the beginning of its id")
    since: float | None = Field(default=None, description="submitted at this time or later, in seconds since 1970")
    until: float | None = Field(default=None, description="submitted before this time")


class JobsQuery(JobsFilter):
    """Which jobs to list."""

    limit: int = Field(default=100, ge=1, le=MAX_LISTED)
    before: str = Field(default="g", description="only jobs with an id below this one")


@blueprint.post("")
def create() -> Response:
    """202 once the job is on disk; with `Prefer: wait=SECONDS` 200 with the finished job if it ends in time."""
    asked = read_job()
    if not asked.task:
        raise InvalidRequest("task: is missing")
    key = request.headers.get("Idempotency-Key")
    if key is not None and not key.strip():
        raise InvalidRequest("Idempotency-Key: is empty; send another for each job, or none")
    job = farm().prepare(
        asked.task,
        asked.pictures,
        asked.params,
        priority=asked.priority,
        durable=True,
        field=asked.field,
        name=asked.name,
    )
    submitted = farm().put(job, key=key)
    wait = prefer_wait()
    if wait is not None:
        record = farm().wait_record(submitted.id, wait)
    elif submitted.id == job.id:
        record = {"id": job.id, "task": job.task, "status": State.QUEUED}
    else:
        record = submitted.record()  # the job that the key started first, whatever has become of it
    response = json_response(record, 200 if ended(record) else 202)
    response.headers["Location"] = address(f"/v1/jobs/{submitted.id}")
    if wait is not None:
        response.headers["Preference-Applied"] = f"wait={wait:g}"
    return response


@blueprint.get("")
def listing() -> Response:
    """The jobs that fit all that is asked for, the newest first, `limit` at most.

    A page that takes long to find ends early, be it with none: there is no more only where `next` is null.
    """
    asked = checked(JobsQuery, request.args, strict=False).model_dump()
    limit, before = asked.pop("limit"), asked.pop("before")
    page = farm().page(Query(**asked), before, limit)
    return json_response({"jobs": page.records, "next": page.next})


@blueprint.get("/<job_id>")
def show(job_id: str) -> Response:
    """All that is known of a job; with `Prefer: wait=SECONDS` as soon as it has ended."""
    return json_response(farm().wait_record(job_id, prefer_wait() or 0))


@blueprint.get("/<job_id>/files/<name>")
def file(job_id: str, name: str) -> Response:
    """One of the files that the record names in `files`."""
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    try:
        response = send_file(farm().file(job_id, name), mimetype=kind)
    except FileNotFoundError as error:
        raise UnknownJob(f"job {job_id!r} has expired") from error
    response.headers["Content-Security-Policy"] = "sandbox"  # its content may be chosen by a picture's author
    return response


@blueprint.delete("/<job_id>")
def cancel(job_id: str) -> Response:
    """Cancel a job; `cancelled` is false when it had already ended."""
    cancelled = farm().cancel(job_id)
    return json_response({"id": job_id, "cancelled": cancelled, "status": farm().record(job_id)["status"]})


@blueprint.post("/<job_id>/retry")
def retry(job_id: str) -> Response:
    """Queue a permanently failed job again."""
    farm().retry(job_id)
    response = json_response({"id": job_id, "status": State.QUEUED}, 202)
    response.headers["Location"] = address(f"/v1/jobs/{job_id}")
    return response


@blueprint.get("/<job_id>/events")
def events(job_id: str) -> Response:
    """Server-Sent Events: `status`, `progress`, `log` and finally `end`. `Last-Event-ID` resumes a broken stream."""
    farm().record(job_id)
    start = _whole("Last-Event-ID", request.headers.get("Last-Event-ID") or "0", 0, MAX_EVENT)
    return event_stream(_stream(farm().follow(job_id, start)))


_IDEMPOTENCY = Parameter("Idempotency-Key", "a text for this job only: a repeat returns the first job")
_LAST_EVENT = Parameter(
    "Last-Event-ID",
    "the id of the last event seen",
    0,
    schema={"type": "integer", "minimum": 0, "maximum": MAX_EVENT},
)
_NAME = Parameter("name", "one of the record's `files`", "edited.png", "path", {"type": "string", "minLength": 1})
_JOB = {"task": "edit", "image": PICTURE, "params": {"operations": ["resize=2"]}}
ENDPOINTS = {
    "jobs.create": Endpoint(
        body={
            JSON: Body(JobBody, _JOB),
            MULTIPART: Body(JobForm, {"task": "edit", "params": '{"operations": ["resize=2"]}'}),
        },
        raw=True,
        responses={200: Record, 202: Queued},
        errors=(404, 409, 413, 415, 422, 501, 503),
        parameters=(PREFER, _IDEMPOTENCY, RAW_TASK, RAW_PRIORITY),
    ),
    "jobs.listing": Endpoint(responses={200: Listing}, query=JobsQuery),
    "jobs.show": Endpoint(responses={200: Record}, errors=(404,), parameters=(JOB_ID, PREFER)),
    "jobs.file": Endpoint(responses={200: "application/octet-stream"}, errors=(404,), parameters=(JOB_ID, _NAME)),
    "jobs.cancel": Endpoint(responses={200: Cancelled}, errors=(404,), parameters=(JOB_ID,)),
    "jobs.retry": Endpoint(responses={202: Queued}, errors=(404,), parameters=(JOB_ID,)),
    "jobs.events": Endpoint(responses={200: "text/event-stream"}, errors=(404,), parameters=(JOB_ID, _LAST_EVENT)),
}


def _stream(happened: Iterator[dict[str, Any] | None]) -> Iterator[str]:
    try:
        for event in happened:
            yield _said(event) if event else SILENCE
    except UnknownJob:
        return  # a waiting caller took the result and left nothing to report


def _said(event: dict[str, Any]) -> str:
    if "record" in event:
        return event_text("end", event["record"])
    if "log" in event:
        return event_text("log", {"line": event["log"], "at": event["at"]}, event["next"])
    if "progress" in event:
        return event_text("progress", {"progress": event["progress"]}, event["next"])
    return event_text("status", event)


def _whole(name: str, text: str, low: int, high: int) -> int:
    if not re.fullmatch(r"[0-9]{1,16}", text) or not low <= int(text) <= high:
        raise InvalidRequest(f"{name}: must be a whole number from {low} to {high}")
    return int(text)
