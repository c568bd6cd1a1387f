"""`/tyocr`: a page as a form field in, its text out."""

from __future__ import annotations

from flask import Blueprint, Response, request
from pydantic import BaseModel, Field

from spoolfarm import images
from spoolfarm.errors import InvalidRequest, WaitTimeout
from spoolfarm.views import answer, farm
from spoolfarm.views.face import FORM, PICTURE, Body, Face

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
    job = farm().prepare("ocr", [images.from_base64(sent, "imgbase64")], {}, field="imgbase64")
    try:
        result = farm().answer(job).value
    except WaitTimeout as error:
        farm().forget(error.job_id)  # nobody will collect it
        return answer({"sign": -1, "text": "time out"})
    return answer({"sign": 0, "text": result["text"]})


class Page(BaseModel):
    """The form."""

    imgbase64: str = Field(description="the picture in base64")


class Text(BaseModel):
    """What was read."""

    sign: int = Field(description="0, or -1 when the time ran out", ge=-1, le=0)
    text: str = Field(description="the lines, each with a line break after it")


FACES = {
    "tyocr.hint": Face(answers={200: "text/html"}),
    "tyocr.tyocr": Face(
        body={FORM: Body(Page, {"imgbase64": PICTURE})}, answers={200: Text}, errors=(400, 413, 415, 503)
    ),
}
