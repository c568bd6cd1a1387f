"""Socket.IO: a simulation is started and heard, by its client alone, however the client is connected."""

from __future__ import annotations

import contextlib
import gc
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import socketio
import websocket

from spoolfarm.server.live import LARGEST
from tests.support import foreign_flower_project as foreign
from tests.support.http_requests import refused
from tests.support.running_farm import ROOT, RunningFarm, until

#: The Python client leaves its sockets to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:.*socket.socket:pytest.PytestUnraisableExceptionWarning")

#: How many clients a front of so many threads takes.
THREADS, CLIENTS = 64, 16


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningFarm]:
    path = tmp_path_factory.mktemp("live")
    given = {"FARM_ENABLE": "echo,simulate", "FARM_WORKERS": 1, "FARM_FRONT_THREADS": THREADS}
    given["FARM_CORS_ORIGINS"] = "https://friend.example"
    farm = RunningFarm(path, **foreign.settings(foreign.make(path / "project"), **given))
    try:
        farm.start()
        until(lambda: len(farm.workers()) == 2, what="the worker for simulations")
        yield farm
    finally:
        farm.stop()
        gc.collect()
    assert "Traceback" not in farm.log(), farm.log()


class Listener:
    """A client that notes what it hears."""

    def __init__(self, farm: RunningFarm, transport: str = "websocket", **more: Any) -> None:
        self.client = socketio.Client(reconnection=False)
        self.heard: list[tuple[str, Any]] = []
        self.times: list[float] = []
        self._arrived = threading.Condition()
        self.client.on("*", self._note)
        self.client.connect(farm.url, transports=[transport], wait_timeout=20, **more)

    def _note(self, event: str, body: Any) -> None:
        with self._arrived:
            self.heard.append((event, body))
            self.times.append(time.monotonic())
            self._arrived.notify_all()

    def named(self, *names: str) -> list[Any]:
        """The bodies of all events of these names."""
        return [body for name, body in self.heard if name in names]

    def lines(self) -> list[str]:
        """The lines of the output so far."""
        return [body["message"] for body in self.named("simulation_log") if len(body) == 1]

    def until(self, condition: Callable[[], Any], seconds: float = 30) -> Any:
        with self._arrived:
            assert self._arrived.wait_for(condition, seconds), self.heard
            return condition()

    def end(self) -> Any:
        """How the simulation ended."""
        return self.until(lambda: self.named("simulation_complete", "simulation_error"))[-1]

    def start(self, **params: Any) -> str:
        """Start a simulation; its job's id."""
        self.client.emit("start_simulation", params)
        return str(self.until(lambda: self.named("simulation_started"))[-1]["job"])


@pytest.fixture
def listen(platform: RunningFarm) -> Iterator[Callable[..., Listener]]:
    made: list[Listener] = []

    def listen(farm: RunningFarm = platform, transport: str = "websocket", **more: Any) -> Listener:
        made.append(Listener(farm, transport, **more))
        return made[-1]

    yield listen
    for each in made:
        each.client.disconnect()
    made.clear()
    gc.collect()  # here, where it may be complained of


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_a_simulation_is_heard_line_by_line_as_it_goes(listen: Callable[..., Listener], transport: str) -> None:
    client = listen(transport=transport)
    job = client.start(rounds=4, pause=0.3, say="a 模拟")
    done = {"message": "模拟成功完成。", "exit_code": 0}
    assert client.end() == done
    assert client.heard[0] == ("simulation_started", {"job": job})
    assert client.heard[-2:] == [("simulation_log", done), ("simulation_complete", done)]
    lines = client.lines()
    assert '"rounds": 4' in lines[0]
    assert lines[1:] == ["knows []", "a 模拟", *(f"round {number}/4 accuracy 0.5" for number in range(1, 5))]
    assert [body["progress"] for body in client.named("simulation_progress")] == [0.25, 0.5, 0.75, 1.0]
    heard = zip(client.times, client.heard, strict=True)
    rounds = [at for at, (name, body) in heard if name == "simulation_log" and "round" in body["message"]]
    assert rounds[-1] - rounds[0] > 0.6  # not all at the end


def test_a_script_that_fails_is_told_with_its_code(listen: Callable[..., Listener]) -> None:
    client = listen()
    client.start(rounds=1, code=7)
    assert client.end() == {"message": "模拟失败，退出码 7。", "exit_code": 7}
    assert not client.named("simulation_complete")


@pytest.mark.parametrize(
    "sent",
    [
        {"-a": 1},
        {"a": "--x"},
        {"a": [None]},
        {"a": {"b": 1}},
        {"a": float("nan")},
        {"out": "/tmp"},
        "rounds",
        7,
        [1],
        None,
        {"": 1},
    ],
)
def test_what_cannot_be_started_is_an_error_of_the_farm(listen: Callable[..., Listener], sent: Any) -> None:
    client = listen()
    answer = client.client.call("start_simulation", sent)
    assert client.end() == answer
    assert (answer["exit_code"], [name for name, _ in client.heard]) == (-1, ["simulation_error"])


def test_an_event_without_a_body_is_an_error_of_the_farm(listen: Callable[..., Listener]) -> None:
    client = listen()
    client.client.emit("start_simulation")
    assert client.end() == {"message": "send one object", "exit_code": -1}


def test_another_client_hears_nothing(listen: Callable[..., Listener]) -> None:
    one, other, third = listen(), listen(), listen(transport="polling")
    one.start(rounds=2)
    one.end()
    assert other.client.call("follow_simulation", {}) == other.end()  # it has heard all that was sent before
    third.client.call("follow_simulation", {})
    assert [name for name, _ in other.heard + third.heard] == ["simulation_error"] * 2


def test_the_next_one_waits_and_is_told_so(listen: Callable[..., Listener], platform: RunningFarm) -> None:
    one, two = listen(), listen()
    first = one.start(rounds=20, pause=0.1)
    one.until(one.lines)
    two.start(rounds=1)
    told = two.until(lambda: two.named("simulation_log"))[0]
    assert told == {"message": "The simulation waits for those before it.", "status": "queued"}
    assert not one.named("simulation_complete")
    platform.farm.cancel(first)
    assert one.end() == {"message": "模拟失败，退出码 143。", "exit_code": 143}
    assert two.end()["exit_code"] == 0


def test_one_that_is_cancelled_before_it_starts_is_an_error_of_the_farm(
    listen: Callable[..., Listener], platform: RunningFarm
) -> None:
    one, two = listen(), listen()
    first = one.start(rounds=100, pause=0.1)
    one.until(one.lines)
    second = two.start(rounds=1)
    platform.farm.cancel(second)
    assert two.end() == {"message": "cancelled", "exit_code": -1}
    platform.farm.cancel(first)
    one.end()


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_a_client_that_comes_back_goes_on_where_it_left_off(listen: Callable[..., Listener], transport: str) -> None:
    one = listen(transport=transport)
    job = one.start(rounds=15, pause=0.1)
    one.until(lambda: len(one.lines()) >= 5)
    one.client.disconnect()
    seen = one.lines()
    two = listen(transport=transport)
    assert two.client.call("follow_simulation", {"job": job, "start": len(seen)}) == {"job": job}
    assert two.end()["exit_code"] == 0
    together = seen + two.lines()
    assert together[2:] == [f"round {number}/15 accuracy 0.5" for number in range(1, 16)]
    late = listen(transport=transport)
    late.client.emit("follow_simulation", {"job": job})
    assert late.end()["exit_code"] == 0
    assert late.lines() == together


def test_a_flood_reaches_a_client_that_polls_line_by_line(listen: Callable[..., Listener]) -> None:
    client = listen(transport="polling")
    client.start(rounds=0, say="line", times=400)
    assert client.end()["exit_code"] == 0
    assert client.lines()[2:] == ["line"] * 400


@pytest.mark.parametrize(
    ("asked", "word"),
    [
        ({"job": "x"}, "no job"),
        ({"job": "0" * 24}, "no job"),
        ({"job": 7}, "job:"),
        ({}, "job:"),
        ({"job": "x", "from": 1}, "job:"),
        ({"job": "x", "start": -1}, "start:"),
        ({"job": "x", "start": True}, "start:"),
        ({"job": "x", "start": "1"}, "start:"),
    ],
)
def test_what_cannot_be_followed_is_an_error_of_the_farm(
    listen: Callable[..., Listener], asked: Any, word: str
) -> None:
    client = listen()
    client.client.emit("follow_simulation", asked)
    assert client.end()["exit_code"] == -1
    assert word in client.end()["message"]


def test_only_simulations_can_be_followed(listen: Callable[..., Listener], platform: RunningFarm) -> None:
    client = listen()
    client.client.emit("follow_simulation", {"job": platform.farm.submit("echo").id})
    assert "is no simulation" in client.end()["message"]


def test_a_simulation_can_be_followed_as_any_job(platform: RunningFarm) -> None:
    job = platform.farm.submit("simulate", rounds=2)
    text = requests.get(f"{platform.url}/v1/jobs/{job.id}/events", timeout=30).text
    assert re.findall(r"round \d/2", text) == ["round 1/2", "round 2/2"]
    assert '"progress": 0.5' in text
    assert job.wait(10)["exit_code"] == 0


# Who may connect.


def test_pages_of_strangers_may_not_connect_and_those_of_friends_may(platform: RunningFarm) -> None:
    address = f"{platform.url}/socket.io/?EIO=4&transport=polling"
    refused(requests.get(address, headers={"Origin": "https://stranger.example"}, timeout=10), 403, "stranger")
    refused(requests.get(address, headers={"Host": "stranger.example"}, timeout=10), 403, "stranger")
    friend = requests.get(address, headers={"Origin": "https://friend.example"}, timeout=10)
    assert friend.status_code == 200
    assert friend.headers["Access-Control-Allow-Origin"] == "https://friend.example"
    ours = requests.get(address, headers={"Origin": platform.url}, timeout=10)
    assert ours.status_code == 200


def refusal(farm: RunningFarm, transport: str, auth: str, headers: dict[str, str]) -> str:
    """What the farm says to a client that connects with *auth*, in the words of the protocol."""
    address = f"{farm.url}/socket.io/?EIO=4&transport={transport}"
    if transport == "websocket":
        client = websocket.create_connection(address.replace("http", "ws"), timeout=10, header=headers)
        client.recv()
        client.send(f"40{auth}")
        said = client.recv()
        client.close()
        return str(said)
    sid = re.search(r'"sid":"([^"]+)"', requests.get(address, headers=headers, timeout=10).text)
    assert sid is not None
    requests.post(f"{address}&sid={sid[1]}", f"40{auth}", headers=headers, timeout=10)
    return requests.get(f"{address}&sid={sid[1]}", headers=headers, timeout=10).text


def test_with_a_key_a_client_has_to_name_it(tmp_path: Path, listen: Callable[..., Listener]) -> None:
    given = foreign.settings(foreign.make(tmp_path / "project"), FARM_API_KEY="secret", FARM_ENABLE="echo,simulate")
    farm = RunningFarm(tmp_path, **given, FARM_WORKERS=0, FARM_SIMULATIONS=0).start(ready=False)
    try:
        until(lambda: farm.get("/health")[0] == 200, what="the front")
        for transport in ("websocket", "polling"):
            for auth, key in (("", {}), ('{"api_key": "guess"}', {}), ('"secret"', {}), ("", {"X-API-Key": "guess"})):
                said = refusal(farm, transport, auth, key)
                assert said.startswith("44")
                assert "API key is missing or wrong" in said
            for right in ({"auth": {"api_key": "secret"}}, {"headers": {"Authorization": "Bearer secret"}}):
                client = listen(farm, transport, **right)
                assert client.start()
                client.client.disconnect()
    finally:
        farm.stop()


def test_only_so_many_clients_may_connect_and_health_is_told_all_the_same(
    platform: RunningFarm, listen: Callable[..., Listener]
) -> None:
    address = f"{platform.url}/socket.io/?EIO=4&transport=polling"
    with contextlib.ExitStack() as stack:
        until(lambda: requests.get(address, timeout=10).status_code == 503, what="the last place to be taken")
        answer = refused(requests.get(address, timeout=10), 503, "clients")
        assert answer["code"] == "too_many_clients"
        held = [stack.enter_context(socket.create_connection(("127.0.0.1", platform.port))) for _ in range(THREADS)]
        for each in held:  # each asks for a session that is not there, or holds its tongue
            each.sendall(b"GET /socket.io/?EIO=4&transport=polling&sid=x HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert platform.get("/health") == (200, {"status": "ok"})

    def welcome() -> Listener | None:
        with contextlib.suppress(socketio.exceptions.ConnectionError):
            return listen()
        return None

    # those who never said who they are make room for those who come later
    assert until(welcome, 30, what="a place").start(rounds=0)


@pytest.mark.parametrize("body", [b"", b"junk", b"4", b"42", b'42["', b'42["x"]' * 100, b"9", b"451-[]", b"4\x1e" * 50])
def test_what_is_no_message_harms_nobody(platform: RunningFarm, listen: Callable[..., Listener], body: bytes) -> None:
    address = f"{platform.url}/socket.io/?EIO=4&transport=polling"
    opened = until(lambda: requests.get(address, timeout=10), what="a place")
    sid = until(lambda: re.search(r'"sid":"([^"]+)"', opened.text), what=opened.text)[1]
    requests.post(f"{address}&sid={sid}", b"40", timeout=10)
    requests.post(f"{address}&sid={sid}", body, timeout=10)
    requests.post(f"{address}&sid={sid}", b"1", timeout=10)  # goodbye
    assert platform.get("/health")[0] == 200


def test_a_message_that_is_too_large_ends_its_connection(listen: Callable[..., Listener]) -> None:
    client = listen()
    client.client.emit("start_simulation", {"text": "x" * (2 * LARGEST)})
    until(lambda: not client.client.connected, what="the connection to end")
    assert not client.heard


#: Two clients of argv[1]: each hears the end of a simulation, and then that the farm says goodbye.
LISTENING = """
import os, socketio, sys, threading
heard = threading.Semaphore(0)
clients = [socketio.Client(reconnection=False) for _ in range(2)]
for client, transport in zip(clients, ("websocket", "polling")):
    client.on("simulation_complete", lambda _: heard.release())
    client.on("disconnect", lambda: heard.release())
    client.connect(sys.argv[1], transports=[transport])
    client.emit("start_simulation", {"rounds": 0})
for line in ("heard", "gone"):
    assert heard.acquire(timeout=30) and heard.acquire(timeout=30), line
    print(line, flush=True)
os._exit(0)
"""


def test_the_front_stops_at_once_while_clients_listen(tmp_path: Path) -> None:
    given = foreign.settings(foreign.make(tmp_path / "project"), FARM_ENABLE="echo,simulate", FARM_GRACE=60)
    farm = RunningFarm(tmp_path, **given, FARM_WORKERS=1).start()
    try:
        command = [sys.executable, "-c", LISTENING, farm.url]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as clients:
            assert clients.stdout is not None
            assert clients.stdout.readline() == "heard\n"
            farm.signal(signal.SIGTERM)
            farm.wait(25)  # not the minute that a request would get
            assert clients.stdout.readline() == "gone\n"
    finally:
        farm.stop()


def test_the_client_of_the_docs_works(platform: RunningFarm, tmp_path: Path) -> None:
    text = (ROOT / "docs/platform.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    script = tmp_path / "client.py"
    script.write_text(code.replace("http://127.0.0.1:8090", platform.url))
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=60, check=True)
    assert "round 3/3 accuracy 0.5" in done.stdout
    assert "模拟成功完成。" in done.stdout
