"""The client where no farm answers, and what it is made of."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading

import pytest

from spoolfarm import errors
from spoolfarm.client.client import Client
from spoolfarm.client.transport import BY_CODE, Unreachable
from tests.support.running_farm import ROOT, free_port


def test_every_error_class_is_known_by_its_code() -> None:
    assert BY_CODE["unknown_job"] is errors.UnknownJob
    assert BY_CODE["spool_full"] is errors.SpoolFull
    assert BY_CODE["cancelled"] is errors.JobCancelled


def test_a_farm_that_is_not_there_is_unreachable() -> None:
    client = Client(f"http://127.0.0.1:{free_port()}")
    for ask in (client.tasks, client.ready, lambda: client.submit("echo"), lambda: client.call("echo")):
        with pytest.raises(Unreachable, match=r"no farm answers at http://127.0.0.1:\d+: start ./start\.sh"):
            ask()


@pytest.mark.parametrize(
    ("head", "kind", "said"),
    [
        ("200 OK", Unreachable, "answered 200 with no JSON; is it a farm"),
        (
            "413 Request Entity Too Large",
            errors.TooLarge,
            "a proxy at .* answered 413: it takes no body of",
        ),
        ("401 Unauthorized", errors.Unauthorized, "a proxy at .* answered 401"),
        ("502 Bad Gateway", Unreachable, "a proxy at .* answered 502: it hears nothing from the farm"),
        ("301 Moved\r\nLocation: https://farm.example/", Unreachable, r"leads to https://farm.example/ \(301\)"),
        ("302 Found", Unreachable, "answered 302 with no JSON"),
    ],
)
def test_a_server_that_is_no_farm_is_named(head: str, kind: type[errors.FarmError], said: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:

        def greet() -> None:
            connection, _ = other.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(f"HTTP/1.1 {head}\r\nContent-Length: 13\r\n\r\n<p>hello</p>\n".encode())

        thread = threading.Thread(target=greet)
        thread.start()
        with pytest.raises(kind, match=said):
            Client(f"http://127.0.0.1:{other.getsockname()[1]}").ready()
        thread.join(10)


@pytest.mark.parametrize("url", ["127.0.0.1:8090", "ftp://127.0.0.1", "http://", "http://host:port", "http://a host"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(errors.InvalidRequest, match="no address"):
        Client(url)


def test_a_slow_server_is_unreachable_when_the_time_is_over() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        client = Client(f"http://127.0.0.1:{deaf.getsockname()[1]}", timeout=0.2)
        with pytest.raises(Unreachable, match="timed out"):
            client.tasks()


def test_the_client_needs_nothing_but_the_standard_library() -> None:
    program = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from spoolfarm import Client; print(Client())"
    said = subprocess.check_output([sys.executable, "-I", "-S", "-c", program], text=True, timeout=60)
    assert said == "<Client http://127.0.0.1:8090>\n"
