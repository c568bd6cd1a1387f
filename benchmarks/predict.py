"""Predictions beside LitServe, and what the farm adds to a start script: `python -m benchmarks.predict --help`."""

from __future__ import annotations

import base64
import io
import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.http import Address, takes
from benchmarks.measure import (
    MEMORY,
    OUT,
    ROOT,
    Comparison,
    Figure,
    Service,
    Target,
    arguments,
    cpu_seconds,
    free_port,
    machine,
    pss_mb,
    report,
    scratch,
    stop_on_sigterm,
)
from benchmarks.peers.farm import launch

#: A model as people write them: torchvision's, for ten classes.
MODEL = """
from torch import nn
from torchvision.models import mobilenet_v3_small


class MobileNetV3(nn.Module):
    def __init__(self, num_classes=10):
        super().__init__()
        self.net = mobilenet_v3_small(num_classes=num_classes)

    def forward(self, pictures):
        return self.net(pictures)
"""
#: Width and height of the picture, which is sent as JPEG.
PICTURE = (640, 480)
WORKERS = 2
#: Requests in flight: one at a time, and a crowd.
ALONE, CROWD = 1, 200
#: Seconds of load before the clock starts.
WARM_UP = 3.0

BASE, OURS = "litserve", "spoolfarm"
FIGURES = (
    Figure("requests_s", "requests/s", 1),
    Figure("p50_ms", "p50 ms", 1),
    Figure("p99_ms", "p99 ms", 1),
    Figure("cpu_ms", "CPU ms/request", 1),
    Figure("pss_mb", "PSS MB", 0),
)
BY_HAND, IN_THE_FARM = "by hand", "spoolfarm"
SCRIPT_FIGURES = (Figure("wall_s", "wall s", 2), Figure("cpu_s", "CPU s", 2))
VERSIONS = ("litserve", "torch", "torchvision", "pillow", "opencv-python-headless", "flwr")


# Predictions.


@dataclass(frozen=True)
class Question:
    """The project, the body of a request, and the label that every server must answer."""

    project: Path
    body: bytes
    label: str


def ask(home: Path) -> Question:
    """Make a project with random weights, and a picture; the label comes from torch alone."""
    import numpy as np
    import torch
    from PIL import Image, ImageFilter
    from torchvision import transforms

    from benchmarks.peers import classify

    (home / "saved_models").mkdir(parents=True)
    (home / "model.py").write_text(MODEL)
    names: dict[str, Any] = {"__name__": "model"}
    exec(MODEL, names)
    torch.manual_seed(1)
    model = names["MobileNetV3"]().eval()
    torch.save(model.state_dict(), home / "saved_models/MobileNetV3.pth")
    noise = np.random.default_rng(1).integers(0, 256, (PICTURE[1], PICTURE[0], 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).filter(ImageFilter.GaussianBlur(3)).save(file, "JPEG", quality=90)
    size = (classify.SIZE, classify.SIZE)
    scale = transforms.Normalize(classify.MEAN, classify.STD)
    prepare = transforms.Compose([transforms.Resize(size), transforms.ToTensor(), scale])
    with torch.inference_mode():
        label = int(model(prepare(Image.open(file))[None]).argmax())
    sent = {"model_id": "MobileNetV3", "image_data": base64.b64encode(file.getvalue()).decode()}
    return Question(home, json.dumps(sent).encode(), str(label))


def litserve(batch: int, project: Path, home: Path) -> tuple[Service, Address, str]:
    port = free_port()
    command = (sys.executable, "-m", "benchmarks.peers.classify", str(port), str(project), str(batch))
    env = {"OMP_NUM_THREADS": "1"}  # two workers on two cores
    return Service(command, env=env, log=home / "server.log"), ("127.0.0.1", port), "/predict"


def spoolfarm(project: Path, home: Path) -> tuple[Service, Address, str]:
    os.environ.update(FARM_ENABLE="classify", FLOWER_PROJECT_DIR=str(project), IMG_SIZE="224", FARM_TIMEOUT="60")
    return *launch(home, WORKERS), "/api/predict/"


PEERS: Mapping[str, Callable[[Path, Path], tuple[Service, Address, str]]] = {
    BASE: partial(litserve, 1),
    "litserve, batches of 16": partial(litserve, 16),
    OURS: spoolfarm,
}


def predictions(connections: int, rounds: int, seconds: float) -> tuple[Comparison, float]:
    """Load every server with so many requests at once; the comparison, and our figure that counts beside the best."""
    with scratch(OUT) as home:
        question = ask(home / "project")
        comparison = Comparison(FIGURES, BASE)
        comparison.run(list(PEERS), rounds, lambda peer: trial(peer, question, connections, seconds))
    comparison.show()
    comparison.plot(OUT / f"predict-{connections}.png", f"MobileNetV3 at 224 pixels, {connections} requests at once")
    theirs = [peer for peer in PEERS if peer != OURS]
    if connections == ALONE:
        return comparison, max(comparison.ratio(OURS, "p50_ms", peer) for peer in theirs)
    return comparison, min(comparison.ratio(OURS, "requests_s", peer) for peer in theirs)


def trial(peer: str, question: Question, connections: int, seconds: float) -> dict[str, float]:
    """Start *peer*, load it, and stop it."""
    with scratch(MEMORY) as home:
        file = home / "body.json"
        file.write_bytes(question.body)
        service, address, path = PEERS[peer](question.project, home)
        try:
            service.wait_until(lambda: takes(address, path, question.body))
            load(address, path, file, question.label, connections, WARM_UP)
            before = cpu_seconds(service.pid)
            figures = load(address, path, file, question.label, connections, seconds)
            figures["cpu_ms"] = (cpu_seconds(service.pid) - before) / figures["requests"] * 1000
            figures["pss_mb"] = pss_mb(service.pid)
        finally:
            service.stop()
    return figures


def load(address: Address, path: str, body: Path, label: str, connections: int, seconds: float) -> dict[str, float]:
    """Run the load generator, as a process of its own so that its CPU time is not the server's."""
    command = (sys.executable, "-m", "benchmarks.load", address[0], str(address[1]), path, str(body), json.dumps(label))
    options = ("--connections", str(connections), "--seconds", str(seconds))
    done = subprocess.run([*command, *options], cwd=ROOT, stdout=subprocess.PIPE, check=True)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


# What the farm adds to a start script.


def script(rounds: int, training: int) -> Comparison:
    """The project's start script, run by hand and as a job, in turns."""
    comparison = Comparison(SCRIPT_FIGURES, BY_HAND)
    with scratch(OUT) as home:
        start = shlex.join(["run_flower.py", "--out", str(home / "runs")])
        project = str(ROOT / "flower_project")
        os.environ.update(FARM_ENABLE="simulate", OMP_NUM_THREADS="1", FLOWER_PROJECT_DIR=project)
        os.environ["FLOWER_START_SCRIPT"] = start
        service, _ = launch(home, 1)
        try:
            peers = {BY_HAND: partial(by_hand, training, home), IN_THE_FARM: partial(as_a_job, training, home, service)}
            comparison.run(list(peers), rounds, lambda peer: peers[peer]())
        finally:
            service.stop()
    comparison.show()
    return comparison


def by_hand(training: int, home: Path) -> dict[str, float]:
    """From the start of `python run_flower.py` to its exit, its output read as it comes."""
    command = [sys.executable, "run_flower.py", "--rounds", str(training), "--out", str(home / "runs")]
    begin, before = time.perf_counter(), children_seconds()
    with subprocess.Popen(command, cwd=ROOT / "flower_project", stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [line for line in process.stdout if line.startswith("round ")]
    if process.returncode or len(lines) != training:
        raise RuntimeError(f"the script ended with {process.returncode} after {len(lines)} rounds")
    return {"wall_s": time.perf_counter() - begin, "cpu_s": children_seconds() - before}


def as_a_job(training: int, home: Path, service: Service) -> dict[str, float]:
    """From the submission to the result; all of the farm's CPU time counts."""
    from spoolfarm import Farm

    farm = Farm(spool_dir=home / "spool", results_dir=home / "results")
    begin, before = time.perf_counter(), cpu_seconds(service.pid)
    result = farm.submit("simulate", rounds=training).wait(600)
    if result["exit_code"]:
        raise RuntimeError(f"the job ended with {result}")
    figures = {"wall_s": time.perf_counter() - begin, "cpu_s": cpu_seconds(service.pid) - before}
    farm.close()
    return figures


def children_seconds() -> float:
    """User and system time of the children that were buried so far."""
    spent = os.times()
    return spent.children_user + spent.children_system


def main() -> int:
    purpose = "Predictions beside LitServe, and what the farm adds to a start script."
    parser = arguments(purpose, ("alone", "crowd", "script"), 5)
    parser.add_argument("--seconds", type=float, default=8, help="seconds of load in one trial")
    chosen = parser.parse_args()
    training = 10
    if chosen.quick:
        chosen.rounds, chosen.seconds, training = 1, 3, 2
    stop_on_sigterm()
    done: dict[str, Any] = {"machine": machine(VERSIONS), "options": vars(chosen)}
    targets: list[Target] = []
    if "alone" in chosen.sections:
        comparison, ratio = predictions(ALONE, chosen.rounds, chosen.seconds)
        done["alone"] = comparison.record()
        targets.append(Target("one at a time: p50 / the better LitServe", ratio, 1))
    if "crowd" in chosen.sections:
        comparison, ratio = predictions(CROWD, chosen.rounds, chosen.seconds)
        done["crowd"] = comparison.record()
        targets.append(Target(f"{CROWD} at once: requests/s / the better LitServe", ratio, 1.2, at_most=False))
    if "script" in chosen.sections:
        comparison = script(chosen.rounds, training)
        done["script"] = comparison.record()
        targets += [
            Target(f"a training as a job: {figure.title} / by hand", comparison.ratio(IN_THE_FARM, figure.key), 1.03)
            for figure in SCRIPT_FIGURES
        ]
    return report("predict", done, targets)


if __name__ == "__main__":
    sys.exit(main())
