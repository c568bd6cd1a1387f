"""Answers that come before the body was read: every kind of client hears them, and none holds a thread for long."""

from __future__ import annotations

import http.client
import json
import os
import select
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from spoolfarm.client.client import Client
from spoolfarm.errors import TooLarge, Unauthorized
from tests.support.http_requests import exchange, read_answer
from tests.support.running_farm import RunningFarm, until

KEY = "open sesame"
#: Bodies above every buffer between a client and the front.
LARGE = 24 << 20
#: What is refused before its body is read: path, headers and status.
REFUSALS: dict[str, tuple[str, str, dict[str, str], int]] = {
    "no key": ("POST", "/v1/run/echo", {}, 401),
    "foreign page": ("POST", "/v1/run/echo", {"X-API-Key": KEY, "Origin": "https://elsewhere.example"}, 403),
    "nothing there": ("POST", "/nothing", {"X-API-Key": KEY}, 404),
    "no such method": ("PUT", "/v1/jobs", {"X-API-Key": KEY}, 405),
    "over the limit": ("POST", "/v1/run/echo", {"X-API-Key": KEY, "Content-Type": "application/json"}, 413),
    "no type we take": ("POST", "/v1/jobs", {"X-API-Key": KEY, "Content-Type": "text/plain"}, 415),
}
every_refusal = pytest.mark.parametrize(("method", "path", "headers", "status"), REFUSALS.values(), ids=REFUSALS)


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningFarm]:
    """A front without workers that wants a key, and takes no body above 1 MiB."""
    given = {"FARM_WORKERS": 0, "FARM_MAX_BODY_MB": 1, "FARM_API_KEY": KEY}
    farm = RunningFarm(tmp_path_factory.mktemp("keyed"), **given)
    try:
        farm.start(ready=False)
        until(lambda: farm.get("/health")[0] == 200, what="the front")
        yield farm
    finally:
        farm.stop()
    assert "Traceback" not in farm.log(), farm.log()


@every_refusal
def test_http_client_hears_it(keyed: RunningFarm, method: str, path: str, headers: dict[str, str], status: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", keyed.port, timeout=30)
    try:
        connection.request(method, path, bytes(LARGE), headers)
        with connection.getresponse() as answer:
            assert (answer.status, "error" in json.loads(answer.read())) == (status, True)
    finally:
        connection.close()


@every_refusal
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_requests_hears_it_and_asks_again(
    keyed: RunningFarm, method: str, path: str, headers: dict[str, str], status: int, chunked: bool
) -> None:
    body: Any = iter([bytes(1 << 20)] * (LARGE >> 20)) if chunked else bytes(LARGE)
    if chunked and status in (404, 405, 415):
        status = 413  # a body in chunks is read before anybody looks at what it is for
    with requests.Session() as session:
        answer = session.request(method, keyed.url + path, data=body, headers=headers, timeout=30)
        assert (answer.status_code, "error" in answer.json()) == (status, True)
        assert session.get(f"{keyed.url}/health", timeout=30).json() == {"status": "ok"}


@pytest.mark.needs("curl")
@every_refusal
@pytest.mark.parametrize("expect", ["Expect: 100-continue", "Expect:"], ids=["asks first", "just sends"])
def test_curl_hears_it(
    keyed: RunningFarm,
    tmp_path: Path,
    method: str,
    path: str,
    headers: dict[str, str],
    status: int,
    expect: str,
) -> None:
    body = tmp_path / "body"
    body.touch()
    os.truncate(body, LARGE)  # of which nothing is on the disk
    given = [word for name, value in headers.items() for word in ("-H", f"{name}: {value}")]
    command = ["curl", "-sS", "-X", method, "-H", expect, *given, "-w", "\n%{http_code}", "--data-binary", f"@{body}"]
    done = subprocess.run([*command, keyed.url + path], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    text, _, code = done.stdout.rpartition("\n")
    assert (int(code), "error" in json.loads(text)) == (status, True)


@pytest.mark.needs("node")
@every_refusal
def test_node_hears_it(keyed: RunningFarm, method: str, path: str, headers: dict[str, str], status: int) -> None:
    asked = json.dumps({"port": keyed.port, "method": method, "path": path, "headers": headers})
    script = f"""
    const sent = require("http").request({{host: "127.0.0.1", ...{asked}}}, answer => {{
      answer.resume();
      answer.on("end", () => {{ console.log(answer.statusCode); process.exit(0); }});
    }});
    sent.on("error", error => {{ console.log(error.code); process.exit(1); }});
    sent.end(Buffer.alloc({LARGE}));
    """
    done = subprocess.run(["node", "-e", script], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == str(status), done.stderr


def test_our_own_client_hears_what_is_wrong(keyed: RunningFarm) -> None:
    with pytest.raises(TooLarge):
        Client(keyed.url, KEY).call("echo", bytes(LARGE))
    with pytest.raises(Unauthorized):
        Client(keyed.url, "wrong").submit("echo", bytes(LARGE))


def test_our_own_client_hears_a_server_that_answers_and_hangs_up() -> None:
    refusal = b'{"error": "no", "code": "unauthorized"}'
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = Client(f"http://127.0.0.1:{server.getsockname()[1]}")
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(client.submit, "echo", bytes(LARGE))
            connection, _ = server.accept()
            with connection:
                connection.recv(1 << 16)
                connection.sendall(b"HTTP/1.1 401 No\r\nContent-Length: %d\r\n\r\n%b" % (len(refusal), refusal))
            with pytest.raises(Unauthorized):
                asked.result(30)


def head(path: str, *more: str) -> bytes:
    """The head of a POST that has the key."""
    return "\r\n".join([f"POST {path} HTTP/1.1", "Host: localhost", f"X-API-Key: {KEY}", *more, "", ""]).encode()


def test_a_client_that_waits_to_send_is_refused_without_being_told_to(keyed: RunningFarm) -> None:
    for more, status in (
        (("Content-Length: 99999999", "Content-Type: application/json"), 413),
        (("Content-Length: 9", "Content-Type: text/plain"), 415),
        (("Content-Length: 9", "X-Api-Key2: a", "Origin: https://elsewhere.example"), 403),
    ):
        found, headers, _ = exchange(keyed.port, head("/v1/jobs", "Expect: 100-continue", *more))
        assert (found, headers["connection"]) == (status, "close")


def test_a_client_that_waits_to_send_is_told_to_and_keeps_its_connection(keyed: RunningFarm) -> None:
    body = b'{"task": "echo"}'
    asked = head("/v1/jobs", "Expect: 100-continue", f"Content-Length: {len(body)}", "Content-Type: application/json")
    with socket.create_connection(("127.0.0.1", keyed.port), timeout=10) as sock:
        for _ in range(2):
            sock.sendall(asked)
            assert sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
            sock.sendall(body)
            status, headers, _ = read_answer(sock)
            assert (status, headers["connection"]) == (202, "keep-alive")


def test_a_small_body_that_nobody_read_leaves_the_connection_as_it_is(keyed: RunningFarm) -> None:
    body = b"x" * 5000
    with socket.create_connection(("127.0.0.1", keyed.port), timeout=10) as sock:
        for _ in range(3):
            sock.sendall(head("/v1/jobs", f"Content-Length: {len(body)}", "Content-Type: text/plain") + body)
            status, headers, _ = read_answer(sock)
            assert (status, headers["connection"]) == (415, "keep-alive")


def test_a_client_that_tries_https_is_let_go_at_once(keyed: RunningFarm) -> None:
    told = pytest.raises((ssl.SSLError, ConnectionError))  # and no TimeoutError
    with socket.create_connection(("127.0.0.1", keyed.port), timeout=10) as sock, told:
        ssl.create_default_context().wrap_socket(sock, server_hostname="localhost")


def test_a_chunk_that_is_none_after_an_early_answer_ends_the_connection_without_another_one(
    keyed: RunningFarm,
) -> None:
    asked = head("/v1/jobs", "Transfer-Encoding: chunked", "Origin: https://elsewhere.example")
    with socket.create_connection(("127.0.0.1", keyed.port), timeout=10) as sock:
        sock.sendall(asked + b"5\r\nhello\r\nzz\r\n")
        assert read_answer(sock)[0] == 403
        assert sock.recv(1) == b""


@pytest.mark.parametrize("framing", ["Content-Length: 999999999", "Transfer-Encoding: chunked"])
def test_an_answered_client_that_sends_a_byte_now_and_then_is_cut_off(keyed: RunningFarm, framing: str) -> None:
    asked = head("/v1/jobs", framing, "Origin: https://elsewhere.example")
    with socket.create_connection(("127.0.0.1", keyed.port), timeout=10) as sock:
        sock.sendall(asked)
        assert read_answer(sock)[0] == 403
        start = time.monotonic()
        more = b"1\r\nx\r\n" if "chunked" in framing else b"x"
        while not cut_off(sock, more):
            assert time.monotonic() < start + 20
    assert time.monotonic() < start + 16


def cut_off(sock: socket.socket, more: bytes) -> bool:
    """Whether the connection has been closed, after *more* was sent a little later."""
    if select.select([sock], [], [], 0.2)[0]:
        return True
    try:
        sock.sendall(more)
    except OSError:
        return True
    return False


def test_an_answered_client_that_pauses_is_cut_off(keyed: RunningFarm) -> None:
    with socket.create_connection(("127.0.0.1", keyed.port), timeout=10) as sock:
        sock.sendall(head("/v1/jobs", "Content-Length: 99999", "Origin: https://elsewhere.example"))
        assert read_answer(sock)[0] == 403
        start = time.monotonic()
        assert sock.recv(1) == b""
    assert time.monotonic() < start + 8
