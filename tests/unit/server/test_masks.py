"""`/predict`: what is wrong with a request is named."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.support.http_requests import multipart, refused
from tests.support.pictures import small, text_of

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of pycocotools' own


@pytest.mark.parametrize(
    ("sent", "status", "word"),
    [
        ({"json": {}}, 400, "image"),
        ({"json": {"image": 7}}, 400, "image"),
        ({"json": {"image": text_of(small()), "task": "ocr"}}, 400, "task"),
        ({"json": {"image": text_of(small()), "params": {"score_threshold": 2}}}, 422, "params.score_threshold"),
        ({"json": {"images": [text_of(small())] * 2}}, 400, "takes one image"),
        (multipart(), 400, ""),
        (multipart(("picture", ("a.png", small()))), 400, "picture"),
        ({"data": "image=x", "content_type": "application/x-www-form-urlencoded"}, 415, "application/json"),
    ],
    ids=str,
)
def test_what_is_wrong_with_a_request_is_named(front: FlaskClient, sent: Any, status: int, word: str) -> None:
    refused(front.post("/predict", **sent), status, word)
