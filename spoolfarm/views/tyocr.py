"""`/tyocr`: a page as a form field in, its text out."""

from __future__ import annotations

from flask import Blueprint, Response, request

from spoolfarm import images
from spoolfarm.errors import InvalidRequest, WaitTimeout
from spoolfarm.views import answer, farm

blueprint = Blueprint("tyocr", __name__)


@blueprint.get("/tyocr")
def hint() -> str:
    """What a browser shows."""
    return "<h1>Image find words! please use post</h1>\n"


@blueprint.post("/tyocr")
def tyocr() -> Response:
    """Form field `imgbase64` in, `{"sign": 0, "text": lines}` out; `{"sign": -1, "text": "time out"}` when too late."""
    sent = request.form.get("imgbase64")
    if sent is None:
        raise InvalidRequest("imgbase64: is missing; send the picture as base64 in a form")
    job = farm().job("ocr", [images.from_base64(sent, "imgbase64")], {}, field="imgbase64")
    try:
        result = farm().run(job)
    except WaitTimeout as error:
        farm().forget(error.job_id)  # nobody will collect it
        return answer({"sign": -1, "text": "time out"})
    return answer({"sign": 0, "text": result["text"]})
