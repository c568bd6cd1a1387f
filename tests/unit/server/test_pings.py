"""Pings: every client gets its own in time, from one thread, and those who have gone get none."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from spoolfarm.server import pings
from spoolfarm.server.pings import Pings
from tests.support.running_farm import until


class Protocol:
    """What there is below Socket.IO, as far as pings go."""

    ping_interval = 0.05

    def start_background_task(self, target: Any, *args: Any) -> threading.Thread:
        thread = threading.Thread(target=target, args=args)
        thread.start()
        return thread


class Connection:
    """A client's connection; *fails* when it is told anything."""

    def __init__(self, *, closed: bool = False, fails: bool = False) -> None:
        self.closing = self.closed = closed
        self.last_ping: float | None = None
        self.got: list[str] = []
        self._fails = fails

    def send(self, packet: Any) -> None:
        if self._fails:
            raise OSError("gone")
        self.got.append(packet.encode())

    def _send_ping(self) -> None:
        raise AssertionError("a thread was started for it")


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pings]:
    monkeypatch.setattr(pings, "TICK", 0.01)
    found = Pings(Protocol())
    yield found
    found.close()


def test_each_client_is_pinged_once_by_one_thread(made: Pings) -> None:
    gone, broken = Connection(closed=True), Connection(fails=True)
    clients = [gone, broken, *(Connection() for _ in range(50))]
    before = threading.active_count()
    for client in clients:
        made.start(client._send_ping)
    assert threading.active_count() == before + 1
    until(lambda: all(client.got for client in clients[2:]), what="the pings")
    assert [client.got for client in clients] == [[], [], *([["2"]] * 50)]
    assert all(client.last_ping for client in clients[2:])
    late = Connection()
    made.start(late._send_ping)
    until(lambda: late.got == ["2"], what="the ping of one who came later")


def test_what_is_no_ping_gets_a_thread_of_its_own(made: Pings) -> None:
    done: list[str] = []
    made.start(done.append, "x").join(10)
    assert done == ["x"]
