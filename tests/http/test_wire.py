"""Requests as they come over the wire: too long, in chunks, broken off, from elsewhere, or no HTTP at all."""

from __future__ import annotations

import json

import pytest
import requests

from tests.support.http_requests import exchange
from tests.support.picture_endpoints import FORM, JSON, PAGE
from tests.support.pictures import text_of
from tests.support.running_farm import RunningFarm


def head(face: str, kind: str, *more: str) -> bytes:
    """The head of a POST."""
    lines = [f"POST {face} HTTP/1.1", "Host: localhost", f"Content-Type: {kind}", *more, "", ""]
    return "\r\n".join(lines).encode()


def chunked(data: bytes, size: int = 50_000) -> bytes:
    """*data* in chunks, with the last one that ends it."""
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in [*pieces, b""])


@pytest.mark.parametrize(
    ("face", "kind", "begin"),
    [
        ("/v1/jobs", JSON, b'{"task": "echo"}'),
        ("/v1/run/echo", JSON, b"{}"),
        ("/tyocr", FORM, PAGE + b"&a="),
    ],
)
def test_a_body_that_goes_on_over_the_limit_is_413_however_it_is_sent(
    idle: RunningFarm, face: str, kind: str, begin: bytes
) -> None:
    data, before = begin + b" " * 1_200_000, idle.get("/ready")[1]["queued"]
    for sent in (
        head(face, kind, f"Content-Length: {len(data)}") + data,
        head(face, kind, "Transfer-Encoding: chunked") + chunked(data),
    ):
        status, headers, body = exchange(idle.port, sent)
        assert (status, json.loads(body)["code"]) == (413, "too_large")
        assert headers["content-type"] == JSON
    assert idle.get("/ready")[1]["queued"] == before


def test_a_body_in_chunks_is_accepted(idle: RunningFarm) -> None:
    data = json.dumps({"task": "echo", "image": text_of(bytes(300_000))}).encode()
    status, _, body = exchange(idle.port, head("/v1/jobs", JSON, "Transfer-Encoding: chunked") + chunked(data))
    assert (status, json.loads(body)["status"]) == (202, "queued")


@pytest.mark.parametrize(
    ("face", "kind", "data"), [("/v1/jobs", JSON, b'{"task": "echo"}'), ("/tyocr", FORM, PAGE)], ids=["json", "form"]
)
@pytest.mark.parametrize("framing", ["length", "no last chunk", "half a chunk", "no chunk"])
def test_a_body_that_breaks_off_is_never_taken_for_a_whole_one(
    idle: RunningFarm, face: str, kind: str, data: bytes, framing: str
) -> None:
    before = idle.get("/ready")[1]["queued"]
    sent = {
        "length": head(face, kind, f"Content-Length: {len(data) + 1}") + data,
        "no last chunk": head(face, kind, "Transfer-Encoding: chunked") + chunked(data)[:-5],
        "half a chunk": head(face, kind, "Transfer-Encoding: chunked") + b"fff\r\n" + data,
        "no chunk": head(face, kind, "Transfer-Encoding: chunked") + b"zz\r\n" + data,
    }[framing]
    status, headers, body = exchange(idle.port, sent, finish=True)
    assert (status, headers["content-type"]) == (400, JSON)
    assert json.loads(body)["error"] == "the request is malformed, or broke off"
    assert idle.get("/ready")[1]["queued"] == before


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"garbage\r\n\r\n", 400),
        (b"GET /health HTTP/9.9\r\nHost: localhost\r\n\r\n", 400),
        (b"GET /health HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", 400),
        (b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: a\x01b\r\n\r\n", 400),
        (b"GET /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414),
        (b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 9000 + b"\r\n\r\n", 431),
        (b"GET /health HTTP/1.1\r\nHost: localhost\r\n" + b"X: a\r\n" * 200 + b"\r\n", 431),
        (b"GET /nowhere HTTP/1.1\r\nHost: localhost\r\nPATH_INFO: /health\r\nSCRIPT_NAME: /nowhere\r\n\r\n", 404),
        (b"GET /health HTTP/1.1\r\nHost: localhost\r\nSCRIPT_NAME: /x\r\n\r\n", 200),
    ],
    ids=lambda value: value[:40].decode() if isinstance(value, bytes) else "",
)
def test_a_request_that_is_no_http_is_answered_in_json_too(idle: RunningFarm, data: bytes, status: int) -> None:
    answered, headers, body = exchange(idle.port, data)
    assert (answered, headers["content-type"]) == (status, JSON)
    if status != 200:
        assert json.loads(body).keys() == {"error", "code"}


def test_a_foreign_host_is_refused_over_the_wire_whatever_else_is_said(idle: RunningFarm) -> None:
    for lines in (
        "Host: evil.example",
        "Host: evil.example\r\nX-Forwarded-Host: localhost",
        "Host: evil.example\r\nForwarded: host=localhost",
        "Host: evil.example\r\nX-Forwarded-For: 127.0.0.1",
    ):
        assert exchange(idle.port, f"GET /health HTTP/1.1\r\n{lines}\r\n\r\n".encode())[0] == 403


def test_the_farms_own_page_passes_and_needs_no_permission(idle: RunningFarm) -> None:
    for name in ("127.0.0.1", "localhost"):
        own = f"http://{name}:{idle.port}"
        answer = requests.get(f"{own}/v1/tasks", headers={"Origin": own}, timeout=10)
        assert answer.status_code == 200
        assert "Access-Control-Allow-Origin" not in answer.headers
