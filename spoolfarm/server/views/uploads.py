"""`/upload` and `/status/<filename>`: a picture in at once, the direction of its object when it is known."""

from __future__ import annotations

from typing import Literal, cast

from flask import Blueprint, Response, current_app
from pydantic import BaseModel, Field

from spoolfarm.server.current import farm, json_response
from spoolfarm.server.endpoint import JSON, MULTIPART, PICTURE, RAW_PRIORITY, Body, Endpoint, Parameter
from spoolfarm.server.request_body import JobBody, JobForm, read_job
from spoolfarm.server.uploads import Uploads

#: Where the application keeps its Uploads.
UPLOADS = "spoolfarm.server.uploads"
#: The error for a name that nobody uploaded.
UNKNOWN = "找不到该文件的处理记录"

blueprint = Blueprint("uploads", __name__)


@blueprint.route("/upload", methods=["POST", "PUT"])
def upload() -> Response:
    """The name under which the picture is processed, once its record and its job are on the disk."""
    asked = read_job("orient", part="file")
    params = {**asked.params, "outputs": True}
    job = farm().prepare("orient", asked.pictures, params, priority=asked.priority, durable=True, field=asked.field)
    return json_response({"message": "success upload image", "filename": _uploads().accept(job)})


@blueprint.get("/status/<filename>")
def status(filename: str) -> Response:
    """How far the picture of that name is."""
    told = _uploads().status(filename)
    return json_response({"error": UNKNOWN}, 404) if told is None else json_response(told)


def _uploads() -> Uploads:
    return cast(Uploads, current_app.extensions[UPLOADS])


class Uploaded(BaseModel):
    """The name to ask for."""

    message: str
    filename: str


class Status(BaseModel):
    """How far a picture is."""

    status: Literal["processing", "completed", "error"]
    filename: str
    degree: float | None = Field(default=None, description="counter-clockwise, in (-90, 90]")
    eccentricity: float | None = Field(default=None, description="below 0.35 the degree means little")
    reason: str | None = Field(default=None, description="why there is no degree")


_FILENAME = Parameter(
    "filename",
    "the name that `/upload` gave",
    "image_20261121_130907_9015cf6326b0.jpg",
    "path",
    {"type": "string", "minLength": 1},
)
ENDPOINTS = {
    "uploads.upload": Endpoint(
        body={JSON: Body(JobBody, {"image": PICTURE}), MULTIPART: Body(JobForm, {})},
        raw=True,
        task="orient",
        responses={200: Uploaded},
        errors=(413, 415, 422, 501, 503),
        parameters=(RAW_PRIORITY,),
    ),
    "uploads.status": Endpoint(responses={200: Status}, errors=(404,), parameters=(_FILENAME,), task="orient"),
}
