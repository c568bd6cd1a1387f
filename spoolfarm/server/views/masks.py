"""`/predict`: a picture in, the masks of its objects out."""

from __future__ import annotations

import base64

from flask import Blueprint, Response
from pydantic import Field

from spoolfarm.server.current import farm, json_response
from spoolfarm.server.endpoint import JSON, MULTIPART, PICTURE, RAW_PRIORITY, Body, Endpoint
from spoolfarm.server.request_body import JobBody, JobForm, read_job
from spoolfarm.tasks.segment.result import SegmentResult
from spoolfarm.tasks.segment.task import OVERLAY

blueprint = Blueprint("masks", __name__)


@blueprint.route("/predict", methods=["POST", "PUT"])
def predict() -> Response:
    """The picture as multipart `file` or as base64 in JSON `image`; an overlay comes as base64 beside the masks."""
    asked = read_job("segment", part="file")
    job = farm().prepare("segment", asked.pictures, asked.params, priority=asked.priority, field=asked.field)
    found = farm().answer(job)
    told = dict(found.value)
    if isinstance(overlay := found.files.get(OVERLAY), bytes):
        told["overlay"] = base64.b64encode(overlay).decode()
    return json_response(told)


class PredictResult(SegmentResult):
    """The objects of a picture, and with `overlay` the picture with them in colours."""

    overlay: str | None = Field(default=None, description="a PNG in base64, when asked for")


ENDPOINTS = {
    "masks.predict": Endpoint(
        body={JSON: Body(JobBody, {"image": PICTURE}), MULTIPART: Body(JobForm, {})},
        raw=True,
        task="segment",
        responses={200: PredictResult},
        errors=(409, 413, 415, 422, 501, 503, 504),
        parameters=(RAW_PRIORITY,),
    )
}
