"""A real farm in processes of its own, for the tests that kill, stop and overload it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from spoolfarm.config import load
from spoolfarm.farm.farm import Farm

ROOT = Path(__file__).resolve().parents[2]


def until(condition: Callable[[], Any], seconds: float = 60.0, what: str = "") -> Any:
    """Wait until *condition* is true and return its value; fail after *seconds*."""
    begun = time.monotonic()
    while not (value := condition()):
        waited = time.monotonic() - begun
        assert waited < seconds, f"waited {seconds} s for {what or condition}"
        time.sleep(min(0.01 + waited / 20, 0.05))  # looking takes time from what is waited for
    return value


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class RunningFarm:
    """`python launcher.py` of the checkout *root*, on directories below *path*, with *settings* in its environment."""

    def __init__(self, path: Path, root: Path = ROOT, **settings: Any) -> None:
        self.root = root
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.given = {
            "FARM_BIND": f"127.0.0.1:{self.port}",
            "FARM_SPOOL_DIR": str(path / "spool"),
            "FARM_RESULTS_DIR": str(path / "results"),
            "FARM_DATA_DIR": str(path / "data"),
            "FARM_RUN_DIR": str(path / "run"),
            "FARM_WORKERS": "2",
            "FARM_ENABLE": "echo",
            "FARM_MIN_FREE_MB": "0",
            **{name: str(value) for name, value in settings.items()},
        }
        self.farm = Farm(settings=load(self.given))
        self.log_path = path / "log"
        #: What the launcher's command begins with; it replaces itself by the rest.
        self.prefix: list[str] = []
        self._launcher: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> RunningFarm:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self, *, ready: bool = True) -> RunningFarm:
        """Start the launcher, and wait until all its workers are ready."""
        with open(self.log_path, "ab") as log:
            self._launcher = subprocess.Popen(
                [*self.prefix, sys.executable, str(self.root / "launcher.py")],
                env={**os.environ, "PYTHONPATH": str(self.root), **self.given},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        if ready:
            try:
                until(lambda: len(self.farm.workers()) >= self.farm.settings.crew.least, what="the workers")
                until(lambda: self.get("/ready")[0] == 200, what="the front")
            except AssertionError as error:
                error.add_note(self.log())
                self.stop()  # a fixture that fails here gets no chance to
                raise
        return self

    @property
    def launcher(self) -> int:
        """The launcher's process id."""
        assert self._launcher is not None
        return self._launcher.pid

    def workers(self) -> list[int]:
        """The process ids of the workers that are ready."""
        return [worker["pid"] for worker in self.farm.workers()]

    def processes(self) -> list[int]:
        """Every process of this farm, the launcher and zombies left out."""
        mark = f"FARM_SPOOL_DIR={self.given['FARM_SPOOL_DIR']}".encode()
        found = []
        for entry in os.listdir("/proc"):
            try:
                if entry.isdecimal() and int(entry) not in (self.launcher, os.getpid()):
                    environ = Path(f"/proc/{entry}/environ").read_bytes()
                    if mark in environ.split(b"\0"):
                        found.append(int(entry))
            except (OSError, ValueError):
                continue
        return found

    def front(self) -> list[int]:
        """The process ids of the front: Gunicorn's master and its one server."""
        return self.called(b"server.py")

    def called(self, part: bytes) -> list[int]:
        """The process ids of those whose command line has *part* in it."""
        found = []
        for pid in self.processes():
            try:
                if part in Path(f"/proc/{pid}/cmdline").read_bytes():
                    found.append(pid)
            except OSError:
                continue
        return found

    def get(self, path: str) -> tuple[int, Any]:
        """Status and JSON of a GET; status 0 when nobody listens."""
        return self.ask(urllib.request.Request(self.url + path))

    def post(self, path: str, body: Any, **headers: str) -> tuple[int, Any]:
        """Status and JSON of a POST of JSON."""
        headers = {"Content-Type": "application/json", **headers}
        return self.ask(urllib.request.Request(self.url + path, json.dumps(body).encode(), headers))

    def ask(self, request: urllib.request.Request) -> tuple[int, Any]:
        """Status and JSON of *request*."""
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read())
        except OSError:
            return 0, None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the launcher."""
        os.kill(self.launcher, number)

    @staticmethod
    def kill(pids: Iterable[int]) -> None:
        """SIGKILL some of its processes; those of one front end together, so a later one may be gone by its turn."""
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def wait(self, seconds: float = 40.0) -> int:
        """Wait for the launcher to end; its exit status."""
        assert self._launcher is not None
        return self._launcher.wait(seconds)

    def kill_launcher(self) -> None:
        """SIGKILL, and nothing else."""
        self.signal(signal.SIGKILL)
        self.wait()

    def stop(self) -> None:
        """Stop the farm, and fail when it leaves a process behind."""
        if self._launcher is not None:
            if self._launcher.poll() is None:
                self._launcher.terminate()
                self.wait()
            until(lambda: not self.processes(), what=f"processes to end: {self.processes()}")
            self._launcher = None
        self.farm.close()

    def log(self) -> str:
        """What the launcher and its children printed."""
        return self.log_path.read_text() if self.log_path.exists() else ""
