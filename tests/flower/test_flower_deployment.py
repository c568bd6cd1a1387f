"""Training on real machines: a SuperLink and two SuperNodes, with TLS and known keys, as docs/scale.md sets them up."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import socketio

from spoolfarm.tasks.flower import flwr_run, reaper
from tests.support.flower_network import PROGRAMS, FlowerNetwork
from tests.support.flower_runs import PROJECT
from tests.support.running_farm import RunningFarm, until

#: Several programs of Flower's start, each with imports of seconds; the Python client leaves its sockets to the
#: garbage collector.
pytestmark = [
    pytest.mark.needs("openssl", "ssh-keygen"),
    pytest.mark.timeout(400),
    pytest.mark.filterwarnings("ignore:.*socket.socket:pytest.PytestUnraisableExceptionWarning"),
]
#: One round that teaches something.
QUICK = {"fraction_fit": 1.0, "alpha": 100.0, "augment": "none"}


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlowerNetwork]:
    made = FlowerNetwork(tmp_path_factory.mktemp("flower"))
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def farm(network: FlowerNetwork) -> Iterator[RunningFarm]:
    """A farm with a project of its own that sends its runs to the SuperLink."""
    project = network.path / "project"
    shutil.copytree(PROJECT, project, ignore=shutil.ignore_patterns("*_20*", "__pycache__"))
    farm = RunningFarm(
        network.path,
        FARM_ENABLE="echo,simulate",
        FARM_WORKERS=1,
        FLOWER_PROJECT_DIR=project,
        FLOWER_SUPERLINK=network.address,
        FLOWER_SUPERLINK_CA=network.authorities,
    )
    with farm:
        yield farm


def records(farm: RunningFarm) -> dict[str, dict[str, Any]]:
    """The records of all runs, by their job."""
    folder = Path(farm.given["FLOWER_PROJECT_DIR"], "global_models")
    found = [json.loads(path.read_text()) | {"folder": path.parent.name} for path in folder.glob("*/result.json")]
    return {each["job"]: each for each in found if "job" in each}


def test_its_log_is_heard_while_it_runs_and_its_model_comes_here(farm: RunningFarm) -> None:
    heard: list[tuple[str, Any, float]] = []
    client = socketio.Client(reconnection=False)
    client.on("*", lambda event, body: heard.append((event, body, time.time())))
    client.connect(farm.url, transports=["websocket"], wait_timeout=20)
    client.emit("start_simulation", {"engine": "deployment", "rounds": 1, **QUICK})
    ends = {"simulation_complete", "simulation_error"}
    until(lambda: any(event in ends for event, _, _ in heard), 200, f"the run: {heard}")
    client.disconnect()
    [job] = [body["job"] for event, body, _ in heard if event == "simulation_started"]
    [end] = [body for event, body, _ in heard if event in ends]
    assert end == {"message": "模拟成功完成。", "exit_code": 0}, heard
    lines = {body["message"]: when for event, body, when in heard if event == "simulation_log"}
    [began] = [line for line in lines if line.startswith("writing to ")]
    [round] = [line for line in lines if line.startswith("round 1/1 accuracy ")]
    assert " clients 2 " in round
    assert lines[began] < lines[round] - 1  # it came when it was said
    record = records(farm)[job]
    assert record["status"] == "completed"
    assert record["test_accuracy"] > 0.8
    assert [row["examples"] > 500 for row in record["clients"][0]] == [True, True]
    assert began.endswith(f"/project/global_models/{record['folder']}")
    assert farm.farm.record(job)["result"]["folder"] == record["folder"]
    assert record["folder"] in [model["id"] for model in farm.get("/api/models/")[1]["models"]]


def test_one_that_is_cancelled_ends_at_the_superlink_too(farm: RunningFarm, network: FlowerNetwork) -> None:
    job = farm.farm.submit("simulate", engine="deployment", rounds=500, **QUICK)
    pid = until(lambda: records(farm).get(job.id), 100, "the ServerApp")["pid"]
    job.cancel()
    ended = until(lambda: farm.farm.results.get(job.id), what="the end of the job")
    assert (ended["status"], ended["details"]["exit_code"]) == ("cancelled", 143)
    until(lambda: not reaper.started(pid), what="the ServerApp to end")
    record = records(farm)[job.id]
    assert (record["status"], record["folder"]) == ("stopped", ended["details"]["folder"])
    assert not list(Path(farm.given["FLOWER_PROJECT_DIR"], "global_models").glob(".*"))
    assert "ControlServicer.StopRun" in network.log("superlink")


def test_flwr_run_ends_as_its_run_did(network: FlowerNetwork) -> None:
    runner = (sys.executable, "-I", "-S", flwr_run.__file__, str(PROGRAMS / "flwr"), "run", str(PROJECT), "farm")
    network.run("run", [*runner, "-c", "strategy='Nope'"], {"FLWR_HOME": str(network.home)})
    assert network.wait("run", 100) == 1  # the ServerApp raises; flwr itself ends with 0 all the same
    assert "ended as finished:failed" in network.log("run")
    assert "strategy Nope: one of FedAvg" in network.log("run")


def test_a_node_that_nobody_has_registered_is_refused(network: FlowerNetwork) -> None:
    subprocess.run(["deploy/flower.sh", "keys", "127.0.0.1", "stranger"], cwd=network.path, check=True)
    network.run("stranger", ["deploy/flower.sh", "supernode", network.address, "stranger"])
    assert network.wait("stranger", 60) != 0
    assert "Failed to activate SuperNode" in network.log("stranger")
