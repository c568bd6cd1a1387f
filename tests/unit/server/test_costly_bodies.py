"""Bodies that would take seconds to divide into values or parts are refused before."""

from __future__ import annotations

import base64
import time
from urllib.parse import quote

import pytest
from flask.testing import FlaskClient

from spoolfarm import validation
from spoolfarm.server.form_body import MAX_PARTS
from tests.support.http_requests import refused
from tests.unit.server.conftest import Make

JSON, FORM, MULTIPART = "application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b"
#: Bytes of a large body.
LARGE = 26 << 20
PART = b'--b\r\nContent-Disposition: form-data; name="task"'
PARAMS = b'{"task": "echo", "params": {"x": ['


@pytest.fixture(scope="module")
def roomy(make: Make) -> FlaskClient:
    """A front with the usual limit on bodies."""
    return make(FARM_MAX_BODY_MB=32)


def filled(begin: bytes, piece: bytes) -> bytes:
    return begin + piece * ((LARGE - len(begin)) // len(piece))


#: Of each its type, how it begins and what follows again and again, and what is said of it.
COSTLY = {
    "lists in JSON": (JSON, (PARAMS, b"[],"), "values"),
    "deep lists in JSON": (JSON, (PARAMS, b"[" * 20 + b"]" * 20 + b","), "values"),
    "numbers in JSON": (JSON, (PARAMS, b"1,"), "values"),
    "names in JSON": (JSON, (b'{"task": "echo", "params": {', b'"x":1,'), "values"),
    "fields without values": (FORM, (b"imgbase64=", b"&a"), "fields"),
    "separators": (FORM, (b"imgbase64=", b"&"), "fields"),
    "percent signs": (FORM, (b"imgbase64=", b"%41"), "percent"),
    "parts": (MULTIPART, (b"", PART + b"\r\n\r\n\r\n"), "parts"),
    "parts without a head": (MULTIPART, (b"", b"--b\r\n"), "about part 1"),
    "words about a part": (MULTIPART, (PART, b";a=b"), "about part 1"),
    "heads of a part": (MULTIPART, (PART + b"\r\n", b"X: y\r\n"), "about part 1"),
    "no boundary": (MULTIPART, (b"", b"\r\n"), "no whole part that begins with the boundary"),
}


@pytest.mark.parametrize("what", COSTLY)
def test_a_body_that_is_costly_to_divide_is_refused_before_that(roomy: FlaskClient, what: str) -> None:
    kind, pieces, said = COSTLY[what]
    body = filled(*pieces)
    start = time.process_time()
    answer = roomy.post("/tyocr" if kind == FORM else "/v1/jobs", data=body, content_type=kind)
    assert time.process_time() - start < 2
    assert answer.status_code in (400, 413)
    assert said in refused(answer, answer.status_code)["error"]


def test_what_stands_in_a_text_is_no_value() -> None:
    text = "[{," * validation.MAX_VALUES
    assert validation.json_value(f'{{"text": "{text}", "quoted": "\\"[,\\\\"}}'.encode())["text"] == text
    with pytest.raises(ValueError, match="more than"):
        validation.json_value("[" + "1," * validation.MAX_VALUES + "1]")
    assert len(validation.json_value("[" + "1," * (validation.MAX_VALUES - 2) + "1]")) == validation.MAX_VALUES - 1


def test_a_form_may_have_many_fields_and_base64_in_lines_that_is_percent_encoded(roomy: FlaskClient) -> None:
    more = "".join(f"&field{number}=" for number in range(MAX_PARTS - 1))
    assert "fields" not in roomy.post("/tyocr", data=f"imgbase64=x{more}", content_type=FORM).get_json()["error"]
    lines = base64.encodebytes(bytes(range(256)) * 4000).replace(b"\n", b"\r\n")
    answer = roomy.post("/tyocr", data=b"imgbase64=" + quote(lines, safe="").encode(), content_type=FORM)
    assert "percent" not in answer.get_json()["error"]


@pytest.mark.parametrize("end", [b"\r\n--b--\r\n", b"\r\n--b--", b"\r\n--b--\r\nwhat follows is nobody's"])
def test_parts_are_taken_as_they_come_accepted(roomy: FlaskClient, end: bytes) -> None:
    body = b"a preamble\r\n" + PART + b"\r\nX-More: " + b"y" * 10_000 + b"\r\n\r\necho" + end
    assert roomy.post("/v1/jobs", data=body, content_type=MULTIPART).status_code == 202
