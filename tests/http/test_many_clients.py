"""The real front under more clients than it has threads, or descriptors."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.http.test_slow_clients import clients, front_door, health, listens
from tests.support.http_requests import exchange, read_answer
from tests.support.running_farm import free_port, until

#: The descriptors that the front is given, and its threads.
FEW, THREADS = 300, 16
HEAD = b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2000\r\n\r\n"
#: A request that is not whole.
HALVES = {"nothing": b"", "half a head": HEAD[:-2], "half a body": HEAD + b"{"}


@pytest.fixture(scope="module", autouse=True)
def descriptors() -> None:
    """The test itself needs more than are usual."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A front with few threads and few descriptors."""
    port = free_port()
    code = f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (100, {FEW})); "
    code += "from spoolfarm.server import front; front.main([])"
    path = tmp_path_factory.mktemp("front")
    with front_door(path, "server", code, FARM_BIND=f"127.0.0.1:{port}", FARM_FRONT_THREADS=THREADS):
        until(lambda: listens(port), what="the front")
        yield port


@pytest.mark.parametrize("half", HALVES.values(), ids=HALVES)
@pytest.mark.parametrize("count", [THREADS + 4, 2 * FEW])
def test_clients_that_stall_do_not_stop_health_however_many_they_are(port: int, half: bytes, count: int) -> None:
    with clients(port, count, half):
        assert min(health(port), health(port)) < 1
        assert health(port) < 8


def test_who_comes_slowly_gives_way_with_a_word_and_who_comes_fast_does_not(port: int) -> None:
    large = HEAD.replace(b"2000", b"2000000") + b'{"task": "echo", "params": {"text": "' + b"x" * 1_000_000
    with clients(port, 1, large) as [fast], clients(port, THREADS, HALVES["half a body"]) as slow:
        assert health(port) < 8
        answers = [read_answer(sock) for sock in slow[:2]]
        assert [status for status, *_ in answers] == [408, 408]
        fast.sendall(b"x" * (2_000_000 - (len(large) - large.index(b"{")) - 3) + b'"}}')
        assert read_answer(fast)[0] == 202


def test_a_client_that_sends_its_head_in_pieces_is_answered(port: int) -> None:
    with clients(port, 1, b"GET /health HTTP/1.1\r\nHo") as [sock]:
        for piece in (b"st: localhost\r\n", b"\r", b"\n"):
            assert health(port) < 8
            sock.sendall(piece)
        assert read_answer(sock)[0] == 200
        sock.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert read_answer(sock)[0] == 200


def test_a_front_raises_the_limit_of_files_as_far_as_it_may() -> None:
    code = """
import resource
from spoolfarm import config
from spoolfarm.server.front import options
resource.setrlimit(resource.RLIMIT_NOFILE, (100, 1000))
print(options(config.load())["worker_connections"], resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.split() == ["800", "1000"]


def test_a_front_that_is_stopped_does_not_wait_for_those_that_say_nothing(tmp_path: Path) -> None:
    port = free_port()
    with front_door(tmp_path, "server", FARM_BIND=f"127.0.0.1:{port}") as front:
        until(lambda: listens(port), what="the front")
        with clients(port, 20, b"GET /health HT"):
            assert health(port) < 8
            front.terminate()
            assert front.wait(10) == 0


def test_a_front_without_a_descriptor_left_goes_on_when_there_is_one(tmp_path: Path) -> None:
    port = free_port()
    code = "from spoolfarm.server import front; front.OTHER_DESCRIPTORS = -1000; import resource; "
    code += "resource.setrlimit(resource.RLIMIT_NOFILE, (60, 60)); front.main([])"
    with front_door(tmp_path, "server", code, FARM_BIND=f"127.0.0.1:{port}", FARM_FRONT_THREADS=THREADS):
        until(lambda: listens(port), what="the front")
        with clients(port, 100, b""):
            assert min(health(port), health(port)) < 1
        answer = exchange(port, b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert answer[0] == 200
