"""`/v1/edit`: what is wrong with a request is named."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.support.http_requests import multipart, refused
from tests.support.pictures import small


@pytest.mark.parametrize(
    ("parts", "status", "word"),
    [
        ([], 415, "send multipart/form-data"),
        ([("operations", "resize=2")], 400, "in the field image; none was sent"),
        ([("image", "a.png")], 400, "image: is no text field"),
        ([("image", ("a", small())), ("file", ("a", small()))], 400, "in the field image; 2 were sent"),
        ([("image", ("a", small())), ("x", "1")], 400, "x: is no text field"),
        ([("image", ("a", small())), ("x", ("a", b"1"))], 400, "x: cannot be a file"),
        ([("image", ("a", b"no picture"))], 415, "image: is not a picture"),
        ([("image", ("a", b""))], 400, "image: is empty"),
        ([("image", ("a", small())), ("operations", "string")], 422, "params.operations[0]: no operation"),
        ([("image", ("a", small())), ("format", "gif")], 422, "params.format: "),
        ([("image", ("a", small())), ("format", "png"), ("format", "jpg")], 400, "format: send one"),
    ],
)
def test_what_is_wrong_is_named(front: FlaskClient, parts: list[tuple[str, Any]], status: int, word: str) -> None:
    sent = multipart(*parts) if parts else {"json": {}}
    refused(front.post("/v1/edit", **sent), status, word)
