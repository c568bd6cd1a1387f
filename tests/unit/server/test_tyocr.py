"""`/tyocr`: how a page may be sent, and how every error is told."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from tests.support.http_requests import multipart, refused
from tests.support.pictures import grain, text_of


@pytest.mark.parametrize(
    "way", ["plain", "data URI", "line breaks", "URL-safe", "no padding", "plus as blank", "multipart"]
)
def test_the_base64_may_come_in_many_ways(front: FlaskClient, way: str) -> None:
    picture = next(each for each in map(grain, ["PNG"] * 50) if "+" in text_of(each) and text_of(each).endswith("="))
    text = text_of(picture)
    sent = {
        "data URI": f"data:image/png;base64,{text}",
        "line breaks": "\r\n".join(f" {text[at : at + 76]} " for at in range(0, len(text), 76)),
        "URL-safe": text.replace("+", "-").replace("/", "_"),
        "no padding": text.rstrip("="),
        "plus as blank": text.replace("+", " "),
    }.get(way, text)
    kind = "multipart/form-data" if way == "multipart" else "application/x-www-form-urlencoded"
    answer = front.post("/tyocr", data={"imgbase64": sent}, content_type=kind)
    assert (answer.status_code, answer.get_json()) == (200, {"sign": -1, "text": "time out"})  # taken, and queued


@pytest.mark.parametrize(
    ("form", "status", "word"),
    [
        ({}, 400, "imgbase64: is missing"),
        ({"image": "x"}, 400, "imgbase64: is missing"),
        ({"imgbase64": ""}, 400, "imgbase64: is empty"),
        ({"imgbase64": "***"}, 400, "imgbase64: is not base64"),
        ({"imgbase64": text_of(b"just words")}, 415, "imgbase64: is not a picture"),
        ({"imgbase64": text_of(b"\x89PNG\r\n\x1a\n")}, 400, "imgbase64"),
    ],
)
def test_every_error_has_a_sign_and_a_text_beside_it(
    front: FlaskClient, form: dict[str, str], status: int, word: str
) -> None:
    body = refused(front.post("/tyocr", data=form), status, word)
    assert (body["sign"], body["text"]) == (-1, body["error"])


def test_a_field_that_came_otherwise_is_told_how(front: FlaskClient) -> None:
    text = text_of(grain("PNG"))
    refused(front.post("/tyocr", **multipart(("imgbase64", ("page.txt", text.encode())))), 400, "came as a file")
    refused(front.post("/tyocr", json={"imgbase64": text}), 400, "in a form, not as application/json")


def test_errors_of_the_front_have_them_too(front: FlaskClient) -> None:
    for answer in (front.put("/tyocr"), front.post("/tyocr", data={"imgbase64": "A" * (5 << 20)})):
        body = refused(answer, answer.status_code)
        assert answer.status_code in (405, 413)
        assert (body["sign"], body["text"]) == (-1, body["error"])
