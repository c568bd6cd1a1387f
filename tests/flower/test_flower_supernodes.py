"""The same app on Flower's own network: a SuperLink and two SuperNodes, here all on the loopback interface."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from spoolfarm.tasks.flower import flwr_run
from tests.support.flower_runs import PROJECT
from tests.support.running_farm import free_port, until

#: Where flwr, flower-superlink and flower-supernode are, and what they start themselves.
COMMANDS = Path(sys.executable).parent
Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a command of Flower's with a home of its own; at the end all that it started is gone."""
    environment = {**os.environ, "FLWR_HOME": str(tmp_path), "PATH": f"{COMMANDS}{os.pathsep}{os.environ['PATH']}"}
    started: list[subprocess.Popen[bytes]] = []

    def command(name: str, *arguments: str) -> subprocess.Popen[bytes]:
        with (tmp_path / f"{len(started)}.log").open("wb") as log:
            process = subprocess.Popen(
                [COMMANDS / name, *arguments],
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        started.append(process)
        return process

    yield command
    for process in reversed(started):
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # it has ended by itself
        process.wait()


@pytest.mark.timeout(300)  # five programs of Flower's start, each with imports of seconds
def test_two_supernodes_train_one_model_and_a_run_that_fails_says_so(tmp_path: Path, start: Start) -> None:
    port, first, second = free_port(), free_port(), free_port()
    (tmp_path / "config.toml").write_text(f'[superlink.farm]\naddress = "127.0.0.1:{port}"\ninsecure = true\n')
    start("flower-superlink", "--insecure", "--host", "127.0.0.1", "--port", str(port))
    for partition, own_port in enumerate((first, second)):
        start(
            "flower-supernode",
            *("--insecure", "--superlink", f"127.0.0.1:{port}", "--host", "127.0.0.1", "--port", str(own_port)),
            *("--node-config", f"partition-id={partition} num-partitions=2"),
        )
    until(lambda: answers(port), 60, "the SuperLink")
    settings = f"rounds=1 min_clients=2 fraction_fit=1.0 alpha=100.0 augment='none' out='{tmp_path}/runs'"
    run = (sys.executable, "-I", "-S", flwr_run.__file__, str(COMMANDS / "flwr"), "run", str(PROJECT), "farm")
    first = start(*run, "-c", settings)
    result = until(lambda: finished(tmp_path), 200, f"the run; see {tmp_path}")
    assert result["status"] == "completed"
    assert result["test_accuracy"] > 0.8
    assert [row["examples"] > 500 for row in result["clients"][0]] == [True, True]
    assert first.wait(60) == 0
    failed = start(*run, "-c", "strategy='Nope'")  # the ServerApp raises; flwr itself ends with 0 all the same
    assert failed.wait(60) == 1
    said = (tmp_path / "4.log").read_text()
    assert "ended as finished:failed" in said
    assert "strategy Nope: one of FedAvg" in said


def answers(port: int) -> bool:
    """Something listens on *port*."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def finished(path: Path) -> dict[str, object] | None:
    """The record of the only run, once it has ended."""
    for file in path.glob("runs/*/result.json"):
        if (result := json.loads(file.read_text()))["status"] != "running":
            return dict(result)
    return None
