"""The real front under clients that stall, linger and wait, and how it stops."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from spoolfarm.config import load
from spoolfarm.farm.farm import Farm
from tests.support.http_requests import exchange, read_answer
from tests.support.running_farm import ROOT, RunningFarm, free_port, until

#: A request after which the connection ends.
LAST = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
#: Clients that wait for a result at once.
WAITERS = 300


def health(port: int) -> float:
    """Seconds until `/health` has answered on a connection of its own."""
    start = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/health")
        with connection.getresponse() as answer:
            assert (answer.status, json.loads(answer.read())) == (200, {"status": "ok"})
    finally:
        connection.close()
    return time.perf_counter() - start


@contextlib.contextmanager
def clients(port: int, count: int, data: bytes) -> Iterator[list[socket.socket]]:
    """*count* connections that have sent *data* and keep quiet."""
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10)) for _ in range(count)]
        for sock in socks:
            sock.sendall(data)
        yield socks


@contextlib.contextmanager
def front_door(path: Path, name: str, code: str = "", **settings: object) -> Iterator[subprocess.Popen[bytes]]:
    """`python <name>.py`, or python with *code*, on directories below *path*."""
    default = {"FARM_SPOOL_DIR": path / "spool", "FARM_RESULTS_DIR": path / "results", "FARM_MIN_FREE_MB": 0}
    given = {key: str(value) for key, value in {**default, "FARM_ENABLE": "echo", **settings}.items()}
    with open(path / f"{name}.log", "wb") as log:
        process = subprocess.Popen(
            [sys.executable, *(["-c", code] if code else [str(ROOT / f"{name}.py")])],
            env={**os.environ, "PYTHONPATH": str(ROOT), **given},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(40)
    assert "Traceback" not in (path / f"{name}.log").read_text()


def cut_off(sock: socket.socket) -> bool:
    """Whether the other end closes the connection without a word."""
    try:
        return sock.recv(1) == b""
    except ConnectionResetError:
        return True


def listens(port: int) -> bool:
    """Whether somebody accepts connections."""
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


# Stalling.


@pytest.mark.parametrize(
    "half",
    [
        b"",
        b"POST /v1/jobs HT",
        b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Ty",
        b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{",
        b"POST /tyocr HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nimgbase64=",
    ],
    ids=["nothing", "half a line", "half a head", "half a body", "half a chunk"],
)
def test_20_clients_that_stall_do_not_stop_health(idle: RunningFarm, half: bytes) -> None:
    with clients(idle.port, 20, half):
        assert max(health(idle.port) for _ in range(20)) < 1


def test_clients_that_send_a_byte_now_and_then_do_not_stop_health(idle: RunningFarm) -> None:
    head = b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n"
    with clients(idle.port, 20, head) as socks:
        slowest = 0.0
        for letter in b'{"task": "echo"}':
            for sock in socks:
                sock.sendall(bytes([letter]))
            slowest = max(slowest, health(idle.port))
        assert [read_answer(sock)[0] for sock in socks] == [202] * 20
    assert slowest < 1


def test_a_body_that_does_not_come_is_given_up_at_the_deadline(tmp_path: Path) -> None:
    port = free_port()
    code = "from spoolfarm.server import front, patches; patches.READ_DEADLINE = 0.5; front.main([])"
    head = b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    with front_door(tmp_path, "server", code, FARM_BIND=f"127.0.0.1:{port}"):
        until(lambda: listens(port), what="the front")
        for rest in (b"Content-Length: 99\r\n\r\n{", b"Transfer-Encoding: chunked\r\n\r\nff\r\n{"):
            start = time.perf_counter()
            status, _, body = exchange(port, head + rest)
            assert (status, json.loads(body)["code"]) == (408, "request_timeout")
            assert 0.5 <= time.perf_counter() - start < 8
        with clients(port, 1, head) as [sock]:
            assert cut_off(sock), "a request without an end of its head"
        assert health(port) < 1


def test_a_body_that_comes_a_byte_at_a_time_is_given_up_at_the_deadline(tmp_path: Path) -> None:
    port = free_port()
    code = "from spoolfarm.server import front, patches; patches.REQUEST_DEADLINE = 0.5; front.main([])"
    head = b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    with front_door(tmp_path, "server", code, FARM_BIND=f"127.0.0.1:{port}"):
        until(lambda: listens(port), what="the front")
        stated, chunked = head + b"Content-Length: 9999\r\n\r\n", head + b"Transfer-Encoding: chunked\r\n\r\n"
        for begin, more in ((stated, b" "), (chunked, b"1\r\n \r\n")):
            with clients(port, 1, begin) as [sock]:
                start = time.perf_counter()
                drip(sock, more)
                status, _, body = read_answer(sock)
                assert (status, json.loads(body)["code"]) == (408, "request_timeout")
                assert "it has 60 s, and one more for every 16 KiB" in json.loads(body)["error"]
                assert time.perf_counter() - start >= 0.5
        with clients(port, 1, head) as [sock]:
            drip(sock, b"a")
            assert cut_off(sock), "and so is a request whose head goes on and on"
        with clients(port, 1, b"") as [sock]:  # the next request of a connection has a deadline of its own
            for _ in range(3):
                sock.sendall(LAST.replace(b"Connection: close\r\n", b""))
                assert read_answer(sock)[0] == 200
                assert not select.select([sock], [], [], 0.3)[0]


def drip(sock: socket.socket, more: bytes) -> None:
    """Send *more* ten times a second until there is an answer, or no connection."""
    end = time.perf_counter() + 20
    while not select.select([sock], [], [], 0.1)[0]:
        assert time.perf_counter() < end
        with contextlib.suppress(OSError):
            sock.sendall(more)


def test_a_large_body_may_take_longer_than_a_small_one(tmp_path: Path) -> None:
    port = free_port()
    code = "from spoolfarm.server import front, patches as p; p.REQUEST_DEADLINE, p.SLOWEST = 0.3, 1e5; front.main([])"
    body = json.dumps({"task": "echo", "params": {"text": "x" * 400_000}}).encode()
    head = f"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    with front_door(tmp_path, "server", code, FARM_BIND=f"127.0.0.1:{port}"):
        until(lambda: listens(port), what="the front")
        with clients(port, 1, head.encode() + b"\r\n\r\n" + body[:300_000]) as [sock]:
            for more in (body[300_000:-9], body[-9:]):
                assert not select.select([sock], [], [], 0.5)[0]
                sock.sendall(more)
            assert read_answer(sock)[0] == 202


# Lingering.


def test_5_clients_that_do_not_hang_up_do_not_stop_accepting(idle: RunningFarm) -> None:
    def seconds() -> float:
        with clients(idle.port, 5, LAST) as socks:
            assert [read_answer(sock)[0] for sock in socks] == [200] * 5
            return health(idle.port)

    until(lambda: seconds() < 0.1, what="an answer in time: the machine may be busy, the front may not")


def test_connections_are_counted_in_and_out(tmp_path: Path) -> None:
    """Gunicorn stops accepting by this count: it must neither grow for ever nor fall below nothing."""
    port, count = free_port(), tmp_path / "count"
    code = f"""
from spoolfarm.server import front, patches
class Told(patches.FrontWorker):
    def notify(self):
        with open({str(count)!r}, "w") as file:
            file.write(f"{{self.nr_conns}}.")
        super().notify()
patches.FrontWorker = Told
front.main([])
"""
    with front_door(tmp_path, "server", code, FARM_BIND=f"127.0.0.1:{port}"):
        until(lambda: listens(port), what="the front")
        with clients(port, 7, b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n") as socks:
            assert [read_answer(sock)[0] for sock in socks] == [200] * 7
            for _ in range(30):
                assert exchange(port, LAST)[0] == 200
            until(lambda: count.read_text() == "7.", what=f"7 connections, not {count.read_text()}")
        until(lambda: count.read_text() == "0.", what=f"no connection, not {count.read_text()}")


# Waiting.


def test_health_answers_within_100_ms_while_300_requests_wait(idle: RunningFarm) -> None:
    before = idle.get("/ready")[1]["queued"]

    def wait(number: int) -> tuple[int, str]:
        status, body = idle.post("/v1/jobs", {"task": "echo", "params": {"n": number}}, Prefer="wait=10")
        return status, body["status"]

    with ThreadPoolExecutor(WAITERS) as pool:
        waiting = [pool.submit(wait, number) for number in range(WAITERS)]
        until(lambda: idle.get("/ready")[1]["queued"] == before + WAITERS, 9, what="all to wait")
        seconds = sorted(health(idle.port) for _ in range(50))
        still = sum(not future.done() for future in waiting)
        answers = [future.result() for future in waiting]
    assert still == WAITERS, "they were to wait all the time"
    assert seconds[-2] < 0.1  # a busy machine may have stopped us once
    assert answers == [(202, "queued")] * WAITERS


def test_who_waited_is_answered_as_soon_as_the_job_ends(idle: RunningFarm) -> None:
    start: dict[str, float] = {}

    def wait(number: int) -> float:
        status, body = idle.post("/v1/jobs", {"task": "echo", "params": {"wake": number}}, Prefer="wait=10")
        assert (status, body["status"]) == (200, "cancelled")
        return time.perf_counter() - start[body["id"]]

    known = {job["id"] for job in idle.get("/v1/jobs?limit=1000")[1]["jobs"]}
    with ThreadPoolExecutor(50) as pool:
        waiting = [pool.submit(wait, number) for number in range(50)]
        until(lambda: len(idle.get("/v1/jobs?limit=1000&status=queued")[1]["jobs"]) >= 50, what="all to wait")
        new = until(
            lambda: len(ids := {job["id"] for job in idle.get("/v1/jobs?limit=1000")[1]["jobs"]} - known) == 50 and ids
        )
        for job_id in new:
            start[job_id] = time.perf_counter()
            assert idle.farm.cancel(job_id)
        late = sorted(future.result() for future in waiting)
    assert late[25] < 0.5
    assert late[-1] < 3


# Stopping.


def test_a_front_that_is_stopped_answers_the_requests_in_progress(tmp_path: Path) -> None:
    port = free_port()
    given: dict[str, Any] = {"FARM_BIND": f"127.0.0.1:{port}", "FARM_GRACE": 20}
    farm = Farm(tmp_path / "spool", tmp_path / "results", settings=load({}))

    def call(number: int) -> tuple[int, int]:
        body = json.dumps({"params": {"seconds": 0.5, "n": number}}).encode()
        head = f"POST /v1/run/echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
        status, _, answer = exchange(port, f"{head}Content-Type: application/json\r\n\r\n".encode() + body)
        return status, json.loads(answer)["params"]["n"]

    with front_door(tmp_path, "worker", **given), front_door(tmp_path, "server", **given) as server:
        until(lambda: listens(port) and farm.workers(), what="front and worker")
        with ThreadPoolExecutor(5) as pool:
            calls = [pool.submit(call, number) for number in range(5)]
            until(lambda: sum(farm.spool.count().values()) == 4, what="one to run and four to wait")
            server.send_signal(signal.SIGTERM)
            until(lambda: not listens(port), 20, what="the front to take no more")
            assert not all(future.done() for future in calls), "it was to stop listening at once"
            assert [future.result() for future in calls] == [(200, number) for number in range(5)]
        assert server.wait(10) == 0
    assert farm.results.ids() == []
