"""Logs: where they are written, and how they go on after somebody has moved them; no proxy stands between."""

from __future__ import annotations

import http.server
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from spoolfarm.client.client import Client
from tests.support.running_farm import ROOT, RunningFarm, until

Run = Callable[..., RunningFarm]


def test_a_log_that_was_moved_goes_on_under_its_name_and_the_farm_lives(run: Run, tmp_path: Path) -> None:
    access = tmp_path / "gunicorn/access.log"  # whose folder is made
    farm = run(FARM_ACCESS_LOG=access, FARM_WORKERS=1).start()
    farm.get("/v1/tasks?n=1")
    until(lambda: "GET /v1/tasks?n=1" in access.read_text())
    moved = [path.rename(path.with_suffix(".old")) for path in (farm.log_path, access)]
    before = moved[0].read_text()
    farm.signal(signal.SIGUSR1)
    until(lambda: farm.log_path.exists() and "the log goes on in" in farm.log())
    until(access.exists)
    farm.get("/v1/tasks?n=2")
    until(lambda: "GET /v1/tasks?n=2" in access.read_text())
    assert "n=2" not in moved[1].read_text()
    farm.signal(signal.SIGUSR2)
    farm.log_path.rename(tmp_path / "older")
    farm.signal(signal.SIGHUP)
    until(lambda: farm.log_path.exists() and "reloading" in farm.log())
    assert moved[0].read_text() == before
    until(lambda: farm.post("/v1/run/echo", {})[0] == 200)


def test_requests_may_be_told_in_the_farms_own_log(run: Run) -> None:
    farm = run(FARM_ACCESS_LOG="-", FARM_WORKERS=1).start()
    farm.get("/v1/tasks?mine")
    until(lambda: any("front: " in line and "GET /v1/tasks?mine" in line for line in farm.log().splitlines()))


def test_only_what_is_a_file_and_was_moved_is_opened_again(tmp_path: Path) -> None:
    code = """
import os
from spoolfarm.launcher.logfile import LogFile
log = LogFile()
print(log.reopen())
os.rename("err", "old")
print(log.reopen(), log.reopen())
os.write(2, b"x")
"""
    with open(tmp_path / "err", "wb") as errors:
        done = subprocess.run(
            [sys.executable, "-c", code],
            stdout=subprocess.PIPE,
            stderr=errors,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
    assert done.stdout.decode() == f"[]\n[{str(tmp_path / 'err')!r}] []\n"
    assert ((tmp_path / "err").read_text(), (tmp_path / "old").read_text()) == ("x", "")


class Refusing(http.server.BaseHTTPRequestHandler):
    """A proxy that answers whatever it is asked with 503."""

    def do_GET(self) -> None:
        self.send_response(503)
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture(params=["dead", "refusing"])
def proxy(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a proxy that is of no use."""
    if request.param == "dead":
        yield "http://127.0.0.1:9"
        return
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_start_and_client_ask_without_a_proxy(
    proxy: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    farm = run(FARM_WORKERS=1)
    environment = {**os.environ, **farm.given, "http_proxy": proxy, "HTTP_PROXY": proxy, "ALL_PROXY": proxy}
    daemon = [sys.executable, "-m", "spoolfarm.launcher.daemon"]
    started = subprocess.run([*daemon, "start"], env=environment, cwd=ROOT, capture_output=True, text=True, timeout=50)
    try:
        monkeypatch.setenv("http_proxy", proxy)
        assert (started.returncode, "runs as process" in started.stdout) == (0, True), started.stderr
        client = Client(farm.url)
        assert client.tasks()  # at once: it did answer
        until(client.ready)
    finally:
        subprocess.run([*daemon, "stop"], env=environment, cwd=ROOT, capture_output=True, timeout=50)
