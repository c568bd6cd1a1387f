"""The client follows a job to its end, also over a connection that breaks."""

from __future__ import annotations

import select
import socket
import socketserver
import sys
import threading
from collections.abc import Iterator

import pytest

from spoolfarm import errors
from spoolfarm.client.client import Client
from spoolfarm.errors import Unreachable
from tests.support.grumpy_farm import client, running
from tests.support.running_farm import RunningFarm, free_port

__all__ = ["client", "running"]


def test_following_a_job_tells_its_progress_and_at_last_its_end(client: Client) -> None:
    job = client.submit("echo", seconds=0.5)
    events = list(client.follow(job.id))
    kinds = [event["event"] for event in events]
    assert kinds[0] == "status"
    assert kinds[-1] == "end"
    assert events[-1]["record"] == job.record()
    progress = [event["progress"] for event in events if event["event"] == "progress"]
    assert progress == sorted(progress)
    assert len(progress) >= 2


def test_following_tells_the_log_of_a_job_that_has_ended(client: Client) -> None:
    job = client.submit("grumpy", why="no")
    with pytest.raises(errors.JobFailed):
        job.wait(20)
    log, end = [event for event in client.follow(job.id) if event["event"] in ("log", "end")]
    assert log["line"] == "I do not like it"
    assert end["record"]["status"] == "failed"


def test_following_a_job_nobody_knows_raises(client: Client) -> None:
    with pytest.raises(errors.UnknownJob):
        next(client.follow("0" * 24))


class Cutter(socketserver.ThreadingTCPServer):
    """A proxy that cuts each of its first connections after some bytes of answer."""

    daemon_threads = False

    def __init__(self, port: int, cut_after: list[int]) -> None:
        super().__init__(("127.0.0.1", 0), CutterHandler)
        self.port, self.cut_after = port, cut_after
        self.connections = 0


class CutterHandler(socketserver.BaseRequestHandler):
    """One connection, and as much of the answers as it may have."""

    def handle(self) -> None:
        assert isinstance(self.server, Cutter)
        self.server.connections += 1
        left = self.server.cut_after.pop(0) if self.server.cut_after else sys.maxsize
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=30) as farm:
            while left > 0:
                ready, _, _ = select.select([self.request, farm], [], [], 30)
                data = ready[0].recv(min(left, 65536)) if ready else b""
                if not data:
                    return
                if ready[0] is farm:
                    self.request.sendall(data)
                    left -= len(data)
                else:
                    farm.sendall(data)


@pytest.fixture
def cutter(running: RunningFarm) -> Iterator[Cutter]:
    """The farm behind a proxy that cuts connections."""
    with Cutter(running.port, []) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.05])
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_following_goes_on_where_a_broken_stream_ended(running: RunningFarm, client: Client, cutter: Cutter) -> None:
    job = client.submit("echo", seconds=2)
    cutter.cut_after = [500, 500, 0]
    events = list(Client(f"http://127.0.0.1:{cutter.server_address[1]}").follow(job.id))
    assert cutter.connections == 4
    progress = [event["progress"] for event in events if event["event"] == "progress"]
    assert progress == [line["progress"] for line in running.farm.results.read_log(job.id)]
    assert events[-1]["record"]["status"] == "succeeded"


def test_a_stream_that_cannot_be_taken_up_again_is_unreachable() -> None:
    with pytest.raises(Unreachable):
        next(Client(f"http://127.0.0.1:{free_port()}", timeout=0.2).follow("0" * 24))


def test_an_answer_that_breaks_off_is_unreachable(cutter: Cutter) -> None:
    cutter.cut_after = [20]
    with pytest.raises(Unreachable):
        Client(f"http://127.0.0.1:{cutter.server_address[1]}").tasks()
