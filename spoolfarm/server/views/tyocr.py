"""`/tyocr`: a page as a form field in, its text out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, request
from pydantic import BaseModel, Field

from spoolfarm import images
from spoolfarm.errors import InvalidRequest, WaitTimeout
from spoolfarm.server.current import farm, json_response
from spoolfarm.server.endpoint import FORM, MULTIPART, PICTURE, Body, Endpoint
from spoolfarm.server.request_body import check_parts

blueprint = Blueprint("tyocr", __name__)

#: The content types of a form, and none at all: the sentence names any other.
FORMS = (FORM, MULTIPART, "")
#: Its address.
PATH = "/tyocr"


@blueprint.get(PATH)
def hint() -> str:
    """What a browser shows."""
    return "<h1>Image find words! please use post</h1>\n"


@blueprint.post(PATH)
def tyocr() -> Response:
    """Form field `imgbase64` in, `{"sign": 0, "text": lines}` out; `{"sign": -1, "text": "time out"}` when too late."""
    check_parts()
    sent = request.form.get("imgbase64")
    if sent is None:
        raise InvalidRequest(_missing())
    job = farm().prepare("ocr", [images.from_base64(sent, "imgbase64")], {}, field="imgbase64")
    try:
        result = farm().answer(job).value
    except WaitTimeout as error:
        farm().forget(error.job_id)  # nobody will collect it
        return json_response({"sign": -1, "text": "time out"})
    return json_response({"sign": 0, "text": ended(result["text"])})


def _missing() -> str:
    """Why there is no field `imgbase64`."""
    if "imgbase64" in request.files:
        return "imgbase64: came as a file; send the picture as base64 in a text field"
    kind = request.mimetype
    return f"imgbase64: is missing; send the picture as base64 in a form{'' if kind in FORMS else f', not as {kind}'}"


def ended(text: str) -> str:
    """The lines of *text*, each with a line break after it, the last one too."""
    return text if not text or text.endswith("\n") else f"{text}\n"


def refusal(body: Mapping[str, Any]) -> dict[str, Any]:
    """The *body* of any error at this address, as the endpoint's users know it, even if no view sees the error."""
    return {"sign": -1, "text": body["error"], **body}


class Page(BaseModel):
    """The form."""

    imgbase64: str = Field(description="the picture in base64")


class Text(BaseModel):
    """What was read."""

    sign: int = Field(description="0, or -1 when the time ran out", ge=-1, le=0)
    text: str = Field(description="the lines, each with a line break after it")


ENDPOINTS = {
    "tyocr.hint": Endpoint(responses={200: "text/html"}, task="ocr"),
    "tyocr.tyocr": Endpoint(
        body={FORM: Body(Page, {"imgbase64": PICTURE})},
        responses={200: Text},
        errors=(400, 413, 415, 501, 503),
        task="ocr",
    ),
}
