"""`/v1/jobs/<id>/inputs`, its pictures and `/again`: what a job was asked to do, and the same once more."""

from __future__ import annotations

import re
from typing import Any

from flask import Blueprint, Response, request
from pydantic import BaseModel, ConfigDict, Field

from spoolfarm import images
from spoolfarm.errors import FarmError, UnknownFile
from spoolfarm.server.current import address, farm, json_response
from spoolfarm.server.endpoint import JOB_ID, JSON, Body, Endpoint, Parameter
from spoolfarm.server.models import Queued
from spoolfarm.server.request_body import checked, read_json
from spoolfarm.spool.job import FIRST, LAST, State

blueprint = Blueprint("job_inputs", __name__, url_prefix="/v1/jobs/<job_id>")

#: Seconds for which a browser may show a preview without asking again.
PREVIEW_AGE = 3600
#: The longest side that a preview may have, in pixels, and the one it has.
MOST_SIDE, SIDE = 1600, 160


class PreviewQuery(BaseModel):
    """How large a preview is to be."""

    side: int = Field(default=SIDE, ge=16, le=MOST_SIDE, description="its longer side in pixels, at most")


class AgainBody(BaseModel):
    """What is to be different; what is left out stays as it was."""

    model_config = ConfigDict(strict=True, extra="forbid")

    task: str | None = None
    params: dict[str, Any] | None = Field(default=None, description="all parameters, not only those that change")
    priority: int | None = Field(default=None, ge=FIRST, le=LAST)


@blueprint.get("/inputs")
def inputs(job_id: str) -> Response:
    """The parameters of a job, and what pictures it was sent; `kept` is false when that is known no longer."""
    try:
        job = farm().inputs.job(job_id)
    except UnknownFile as error:
        farm().record(job_id)
        return json_response({"id": job_id, "kept": False, "reason": str(error), "params": None, "pictures": []})
    said = {"task": job.task, "params": job.params, "priority": job.priority}
    return json_response({"id": job_id, "kept": True, **said, "pictures": [_told(each) for each in job.images]})


@blueprint.get("/pictures/<index>")
def picture(job_id: str, index: str) -> Response:
    """One of the pictures that a job was sent, as it was sent; they are counted from 0."""
    sent = farm().inputs.picture(job_id, _place(index))
    response = Response(sent, mimetype=images.media_type(sent))
    response.headers["Content-Security-Policy"] = "sandbox"
    return response


@blueprint.get("/pictures/<index>/preview")
def preview(job_id: str, index: str) -> Response:
    """A small JPEG of it; 204 when there is no such picture, when it is kept no longer, or cannot be decoded."""
    side = checked(PreviewQuery, request.args, strict=False).side
    try:
        made = farm().inputs.preview(job_id, _place(index), side)
    except UnknownFile:
        made = b""
    if not made:
        return Response(status=204)
    response = Response(made, mimetype="image/jpeg")
    response.headers["Cache-Control"] = f"private, max-age={PREVIEW_AGE}"
    return response


@blueprint.post("/again")
def again(job_id: str) -> Response:
    """Submit a job with the same pictures, and with what the body says instead; 202 once it is on disk."""
    asked = checked(AgainBody, read_json() if request.content_length else {})
    before = farm().inputs.job(job_id)
    job = farm().prepare(
        before.task if asked.task is None else asked.task,
        before.images,
        before.params if asked.params is None else asked.params,
        priority=before.priority if asked.priority is None else asked.priority,
        durable=True,
        name=before.name,
    )
    submitted = farm().put(job)
    response = json_response({"id": submitted.id, "task": job.task, "status": State.QUEUED}, 202)
    response.headers["Location"] = address(f"/v1/jobs/{submitted.id}")
    return response


def _place(index: str) -> int:
    """Which picture *index* names; -1, which is none, when it is no number."""
    return int(index) if re.fullmatch("[0-9]{1,6}", index) else -1


def _told(sent: bytes) -> dict[str, Any]:
    """What is said of one picture."""
    told: dict[str, Any] = {"bytes": len(sent), "type": images.media_type(sent), "width": None, "height": None}
    try:
        header = images.check(sent, "picture", farm().settings.max_pixels)
    except FarmError:
        return told
    return told | {"width": header.width, "height": header.height}


class InputPicture(BaseModel):
    """A picture that a job was sent."""

    bytes: int
    type: str = Field(description="its media type")
    width: int | None = Field(description="in pixels, as stored; null when its header cannot be read")
    height: int | None


class Inputs(BaseModel):
    """What a job was asked to do."""

    id: str
    kept: bool = Field(description="false when only the record is left: FARM_KEEP_MB says how much is kept")
    reason: str | None = Field(default=None, description="why it is not kept")
    task: str | None = None
    params: dict[str, Any] | None
    priority: int | None = None
    pictures: list[InputPicture]


_INDEX = Parameter("index", "which of its pictures, counted from 0", 0, "path", {"type": "integer", "minimum": 0})
ENDPOINTS = {
    "job_inputs.inputs": Endpoint(responses={200: Inputs}, errors=(404,), parameters=(JOB_ID,), tag="jobs"),
    "job_inputs.picture": Endpoint(
        responses={200: "application/octet-stream"}, errors=(404,), parameters=(JOB_ID, _INDEX), tag="jobs"
    ),
    "job_inputs.preview": Endpoint(
        responses={200: ("image/jpeg", "application/octet-stream"), 204: ()},
        errors=(404,),
        parameters=(JOB_ID, _INDEX),
        query=PreviewQuery,
        tag="jobs",
    ),
    "job_inputs.again": Endpoint(
        body={JSON: Body(AgainBody, {"params": {"operations": ["resize=0.5"]}})},
        responses={202: Queued},
        errors=(404, 415, 422, 501, 503),
        parameters=(JOB_ID,),
        tag="jobs",
    ),
}
