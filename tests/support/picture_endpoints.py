"""The faces that take a picture, and how each is sent one."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote_plus

from flask.testing import FlaskClient

from tests.support.http_requests import Answered, multipart
from tests.support.pictures import small, text_of

#: How a job, a call and a page are sent, as JSON, as multipart and as a form: the face, and the name of the picture.
FACES = (
    *("/v1/jobs", "/v1/jobs multipart", "/v1/jobs file", "/v1/run/ocr", "/v1/run/ocr file", "/tyocr"),
    *("/predict", "/predict file", "/upload"),
)
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
#: A form for /tyocr.
PAGE = b"imgbase64=" + quote_plus(text_of(small())).encode()


def send(front: FlaskClient, face: str, picture: bytes | str) -> tuple[Answered, str]:
    """Send a picture, or what stands for its base64, to *face*; the answer, and the field's name there."""
    path, _, way = face.partition(" ")
    text = picture if isinstance(picture, str) else text_of(picture)
    if path == "/tyocr":
        return front.post(path, data={"imgbase64": text}), "imgbase64"
    if path in ("/predict", "/upload"):
        sent = multipart(("file", ("../../a.png", picture))) if way else {"json": {"image": text}}
        return front.post(path, **sent), "file" if way else "image"
    if not way:
        return front.post(path, json={"task": "ocr", "image": text}), "image"
    sent = ("../../a.png", picture) if way == "file" else text
    return front.post(path, **multipart(("task", "ocr"), ("image", sent))), "image"


def post(front: FlaskClient, body: Any, face: str = "/v1/jobs") -> Answered:
    """POST JSON; what is no text or bytes is made into it."""
    data = body if isinstance(body, (str, bytes)) else json.dumps(body)
    return front.post(face, data=data, content_type=JSON)
