"""The lease on a run: its ServerApp ends with whoever has asked for it, however that ends."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import PIPE

import pytest

import lease
from tests.support.flower_runs import PROJECT

HOLD = """
import sys, lease
from pathlib import Path
with lease.held(Path(sys.argv[1]), "job 7") as path:
    print(path, flush=True)
    sys.stdin.read()
"""
SERVE = """
import sys, time, lease
print(lease.serve(sys.argv[1]), flush=True)
time.sleep(60)
"""
DEAF = """
import signal, sys, time, lease
signal.pthread_sigmask(signal.SIG_BLOCK, {lease.SIGNAL})
lease.serve(sys.argv[1])
time.sleep(60)
"""
Start = Callable[[str, object], subprocess.Popen[str]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a program of the project's, with one argument."""
    started: list[subprocess.Popen[str]] = []

    def run(program: str, argument: object) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", program, str(argument)]
        started.append(subprocess.Popen(command, cwd=PROJECT, stdin=PIPE, stdout=PIPE, stderr=PIPE, text=True))
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.communicate()


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline().strip()


@pytest.mark.parametrize("how", [signal.SIGKILL, None])
def test_a_server_ends_when_its_asker_does(tmp_path: Path, start: Start, how: signal.Signals | None) -> None:
    asker = start(HOLD, tmp_path / "runs")
    path = Path(said(asker))
    server = start(SERVE, path)
    assert said(server) == "job 7"
    if how:
        asker.send_signal(how)
    else:
        asker.communicate("")  # it goes on when its input ends
        assert server.poll() is not None  # it waited for the server
    assert server.communicate(timeout=20)[1] == "the run was given up (SIGUSR1)\n"
    assert not path.exists()


def test_an_asker_without_a_server_does_not_wait(tmp_path: Path) -> None:
    with lease.held(tmp_path, "") as path:
        assert path.exists()
    assert not list(tmp_path.iterdir())


def test_a_server_elsewhere_says_that_nobody_waits_for_it_there(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"nobody waits here for this run \(/.*No such file.*flower-superexec runs"):
        lease.serve(str(tmp_path / ".lease.1"))


def test_a_server_of_a_run_that_was_given_up_ends_at_once(tmp_path: Path, start: Start) -> None:
    left = tmp_path / ".lease.2"  # by an asker that was killed
    left.write_text("")
    assert "the run was given up" in start(SERVE, left).communicate(timeout=20)[1]


def test_a_server_that_does_not_hear_it_is_killed(tmp_path: Path, start: Start) -> None:
    left = tmp_path / ".lease.3"
    left.write_text("")
    assert start(DEAF, left).wait(20) == -signal.SIGKILL
