"""The HTTP front beside other servers, and its health while hundreds wait: `python -m benchmarks.http --help`."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

if __name__ == "http":
    raise ImportError("a script beside this file hides the standard library's http: use `python -m benchmarks.NAME`")

from http.client import HTTPConnection

from benchmarks.load import Connection, request
from benchmarks.measure import (
    MEMORY,
    OUT,
    ROOT,
    Comparison,
    Figure,
    Service,
    Target,
    answers,
    arguments,
    cpu_seconds,
    free_port,
    machine,
    percentile,
    print_table,
    pss_mb,
    report,
    scratch,
    stop_on_sigterm,
)
from benchmarks.peers.farm import launch

Address = tuple[str, int]

#: Bytes of the picture: 20 KB once it is base64.
PICTURE = 15_000
#: Requests in flight, each on a connection of its own.
CONNECTIONS = 8
WORKERS = 2
#: Seconds of load before the clock starts.
WARM_UP = 1.5

BASE = "litserve"
FIGURES = (
    Figure("requests_s", "requests/s", 0),
    Figure("p50_ms", "p50 ms", 2),
    Figure("p99_ms", "p99 ms", 2),
    Figure("cpu_ms", "CPU ms/request", 3),
    Figure("pss_mb", "PSS MB", 0),
    Figure("load_cpu_ms", "load's CPU ms", 3),
)
VERSIONS = ("litserve", "mosec", "flask", "gunicorn")

#: Requests that wait at once, and the seconds they ask for.
WAITING, WAIT = 300, 10
#: Seconds for which the health is looked at before, and between two looks.
ALONE, PAUSE = 2, 0.02


# Beside the peers.


@dataclass(frozen=True)
class Server:
    """How to start a server, and where it takes the picture."""

    start: Callable[[Path], tuple[Service, Address]]
    path: str
    #: Where its files are made.
    home: Path = MEMORY


def module(name: str, *options: str) -> Callable[[Path], tuple[Service, Address]]:
    """A starter of `python -m name`, with HOST and PORT filled in."""

    def start(home: Path) -> tuple[Service, Address]:
        host, port = "127.0.0.1", free_port()
        filled = [option.format(host=host, port=port) for option in options]
        service = Service([sys.executable, "-m", name, *filled], log=home / "server.log")
        return service, (host, port)

    return start


def farm(home: Path) -> tuple[Service, Address]:
    return launch(home, WORKERS)


GUNICORN = f"-w {WORKERS} -k gthread --threads 4 --no-control-socket -c /dev/null -b {{host}}:{{port}}".split()
SERVERS = {
    "litserve": Server(module("benchmarks.peers.litserve", "{port}"), "/predict"),
    "mosec": Server(module("benchmarks.peers.mosec", "--address", "{host}", "--port", "{port}"), "/inference"),
    "flask": Server(module("gunicorn", *GUNICORN, "benchmarks.peers.flask:app"), "/size"),
    "spoolfarm tmpfs": Server(farm, "/v1/run/echo"),
    "spoolfarm disk": Server(farm, "/v1/run/echo", OUT),
}


def compare(rounds: int, seconds: float, chosen: list[str]) -> tuple[Comparison, list[Target]]:
    """Measure every server in every round."""
    body = json.dumps({"image": base64.b64encode(os.urandom(PICTURE)).decode(), "params": {}}).encode()
    comparison = Comparison(FIGURES, BASE)
    comparison.run(
        [BASE, *(name for name in chosen if name != BASE)], rounds, lambda name: trial(SERVERS[name], body, seconds)
    )
    comparison.show()
    comparison.plot(OUT / "http.png", f"a no-op with a picture of 20 KB, {CONNECTIONS} connections, two workers")
    targets = []
    if "spoolfarm tmpfs" in chosen:
        ours = "spoolfarm tmpfs"
        targets = [
            Target("tmpfs: CPU per request / litserve", comparison.ratio(ours, "cpu_ms"), 0.7),
            Target("tmpfs: requests/s / litserve", comparison.ratio(ours, "requests_s"), 1, at_most=False),
            Target("tmpfs: p50 / litserve", comparison.ratio(ours, "p50_ms"), 1),
            Target("tmpfs: p99 / litserve", comparison.ratio(ours, "p99_ms"), 1),
        ]
    return comparison, targets


def trial(server: Server, body: bytes, seconds: float) -> dict[str, float]:
    """Start *server*, load it, and stop it."""
    with scratch(server.home) as home:
        file = home / "body.json"
        file.write_bytes(body)
        service, address = server.start(home)
        try:
            service.wait_until(lambda: takes(address, server.path, body))
            load(address, server.path, file, WARM_UP)
            before = cpu_seconds(service.pid)
            figures = load(address, server.path, file, seconds)
            figures["cpu_ms"] = (cpu_seconds(service.pid) - before) / figures["requests"] * 1000
            figures["pss_mb"] = pss_mb(service.pid)
        finally:
            service.stop()
    return figures


def takes(address: Address, path: str, body: bytes) -> bool:
    """Whether the picture is taken, which shows that a worker is ready."""
    connection = HTTPConnection(*address, timeout=5)
    try:
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def load(address: Address, path: str, body: Path, seconds: float) -> dict[str, float]:
    """Run the load generator, as a process of its own so that its CPU time is not the server's."""
    command = (sys.executable, "-m", "benchmarks.load", address[0], str(address[1]), path, str(body), str(PICTURE))
    options = ("--connections", str(CONNECTIONS), "--seconds", str(seconds))
    done = subprocess.run([*command, *options], cwd=ROOT, stdout=subprocess.PIPE, check=True)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


# Waiting.


def wait(home: Path) -> tuple[dict[str, Any], list[Target]]:
    """Let many requests wait for jobs that nobody runs, and see how soon /health is answered meanwhile."""
    body = json.dumps({"task": "echo", "image": base64.b64encode(os.urandom(PICTURE)).decode()}).encode()
    with scratch(home) as root:
        service, address = launch(root, workers=0)
        try:
            start = time.monotonic()
            phases = {"nobody waits": health(address, lambda: time.monotonic() - start > ALONE)}
            data = request(address[0], "/v1/jobs", body, (f"Prefer: wait={WAIT}",))
            begin = time.monotonic()
            connections = [Connection(address) for _ in range(WAITING)]
            for connection in connections:
                connection.send(data)
            phases["they come"] = health(address, lambda: queued(root) >= WAITING)
            came = time.monotonic() - begin
            before = cpu_seconds(service.pid)
            phases["all wait"] = health(address, lambda: time.monotonic() - begin > WAIT - 0.5)
            percent = (cpu_seconds(service.pid) - before) / (WAIT - 0.5 - came) * 100
            memory = pss_mb(service.pid)
            phases["they are answered"] = health(address, lambda: time.monotonic() - begin > WAIT + came + 0.5)
            statuses = [status(connection) for connection in connections]
        finally:
            service.stop()
    if statuses != [202] * WAITING:
        raise RuntimeError(f"of {WAITING} requests that waited, {statuses.count(202)} got the expected 202")
    found = {
        phase: {"looks": len(ms), "p50_ms": median(ms), "p99_ms": percentile(ms, 99), "slowest_ms": max(ms)}
        for phase, ms in phases.items()
    }
    rows = [[phase, *(f"{figure:.4g}" for figure in figures.values())] for phase, figures in found.items()]
    print_table([f"GET /health, {WAITING} waiting", "looks", "p50 ms", "p99 ms", "slowest ms"], rows)
    print(f"all were queued after {came:.2f} s; the farm then took {percent:.0f} % of a core and {memory:.0f} MB")
    targets = [Target(f"health while {WAITING} wait: p99, ms", found["all wait"]["p99_ms"], 100)]
    return {"phases": found, "came_s": came, "cpu_percent": percent, "pss_mb": memory}, targets


def health(address: Address, over: Callable[[], bool]) -> list[float]:
    """Ask for /health on a new connection every PAUSE seconds until *over*; return the milliseconds each took.

    The time runs from when a question was due, so one slow answer makes those behind it late too: who is asked late
    is not thereby faster.
    """
    times: list[float] = []
    due = time.perf_counter()
    while not times or not over():
        time.sleep(max(0.0, due - time.perf_counter()))
        if not answers(address, "/health"):
            raise RuntimeError("/health was not answered with 200")
        times.append((time.perf_counter() - due) * 1000)
        due += PAUSE
    return times


def queued(root: Path) -> int:
    return sum(1 for _ in root.glob("spool/queue/echo/*/*"))


def status(connection: Connection) -> int:
    """The status of the answer that is or will be there."""
    while (found := connection.receive()) is None:
        pass
    connection.socket.close()
    return found


def main() -> int:
    purpose = "The HTTP front beside other servers, and its health while hundreds wait."
    parser = arguments(purpose, ("peers", "waiting"), 5)
    parser.add_argument("--peers", nargs="+", choices=SERVERS, default=list(SERVERS), help="rows of the table")
    parser.add_argument("--seconds", type=float, default=6, help="seconds of load in one trial")
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.rounds, chosen.seconds = 1, 2
    stop_on_sigterm()
    sections: dict[str, Any] = {"machine": machine(VERSIONS), "options": vars(chosen)}
    targets: list[Target] = []
    if "peers" in chosen.sections:
        comparison, verdicts = compare(chosen.rounds, chosen.seconds, chosen.peers)
        sections["peers"] = comparison.record()
        targets += verdicts
    if "waiting" in chosen.sections:
        sections["waiting"], verdicts = wait(MEMORY)
        targets += verdicts
    return report("http", sections, targets)


if __name__ == "__main__":
    sys.exit(main())
