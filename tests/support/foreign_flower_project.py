"""A Flower project that is not ours: its own start script, its own module of models, its own weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

#: The settings that make it known to the farm, beside the directory.
SETTINGS = {
    "FLOWER_START_SCRIPT": "start.py",
    "MODEL_WEIGHTS_SUBDIR": "weights",
    "MODEL_DEFINITION_MODULE": "nets.zoo",
    "HISTORY_SUBDIR": "history",
    "CLASS_LABELS": "rot,grün,蓝",
    "IMG_SIZE": "16",
}
#: What the start script does, by its arguments.
START = """
import argparse, json, os, signal, subprocess, sys, time

parser = argparse.ArgumentParser()
parser.add_argument("--rounds", type=int, default=2)
parser.add_argument("--pause", type=float, default=0.05)
parser.add_argument("--code", type=int, default=0)
parser.add_argument("--leave", default="")
parser.add_argument("--deaf", default="")
parser.add_argument("--say", default="")
parser.add_argument("--times", type=int, default=1)
parser.add_argument("--folder", default="")
parser.add_argument("--pids", default="")
given = parser.parse_args()
print("given", json.dumps(vars(given), sort_keys=True), os.getcwd())
print("knows", sorted(name for name in os.environ if name in ("FARM_API_KEY", "FLASK_SECRET_KEY")), file=sys.stderr)
if given.deaf:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
pids = [os.getpid()]
for _ in range(2 if given.leave else 0):  # one in our group, one that leaves it and its session
    pids.append(subprocess.Popen(["sleep", "600"], start_new_session=bool(len(pids) - 1)).pid)
if given.pids:
    with open(given.pids, "w") as file:
        file.write(" ".join(map(str, pids)))
if given.folder:
    folder = os.path.join("global_models", given.folder)
    os.makedirs(folder)
    with open(os.path.join(folder, "result.json"), "w") as file:
        json.dump({"status": "running", "pid": os.getpid(), "rounds": [1], "accuracies": [0.5], "losses": [1.5]}, file)
for _ in range(given.times):
    if given.say:
        print(given.say)
for number in range(given.rounds):
    time.sleep(given.pause)
    print(f"round {number + 1}/{given.rounds} accuracy 0.5")
sys.exit(given.code)
"""
#: Modules of the same names as some of ours and of the standard library's: they must not see each other.
MODULES = {
    "config.py": "CLASSES = 3\n",
    "server.py": "raise RuntimeError('nobody asked for this')\n",
    "nets/__init__.py": "",
    "nets/layers.py": "from torch import nn\nimport config\n\n\ndef last(features):\n"
    "    return nn.Linear(features, config.CLASSES, bias=False)\n",
    "nets/zoo.py": '''
import torch
from torch import nn
from torch.nn import Module

from nets.layers import last


class Colours(nn.Module):
    """How red, green and blue a picture is."""

    def __init__(self):
        super().__init__()
        self.head = last(3)

    def forward(self, pictures):
        import config  # at the last moment, as some do

        assert config.CLASSES == 3
        return self.head(pictures.mean(dim=(2, 3)))


class GreyNet(nn.Module):
    """For pictures of one channel."""

    def __init__(self, num_classes=10, width=4):
        super().__init__()
        self.first = nn.Conv2d(1, width, 3, padding=1)
        self.head = nn.Linear(width, num_classes)

    def forward(self, pictures):
        return self.head(self.first(pictures).mean(dim=(2, 3)))
''',
}


def make(root: Path) -> Path:
    """Write the project to *root*."""
    for name, text in {"start.py": START, **MODULES}.items():
        write(root / name, text)
    (root / "weights").mkdir()
    write(root / "history/colours.json", json.dumps(history(3)))
    return root


def settings(root: Path, **more: Any) -> dict[str, str]:
    """The settings of a farm that uses the project at *root*."""
    return {"FLOWER_PROJECT_DIR": str(root), **SETTINGS, **{name: str(value) for name, value in more.items()}}


def history(rounds: int, **more: Any) -> dict[str, Any]:
    """A training history of so many rounds."""
    counted = range(1, rounds + 1)
    told = {"rounds": [*counted], "accuracies": [each / rounds for each in counted], "losses": [1 / x for x in counted]}
    return {**told, "total_training_time": "2 minutes", **more}


def write(path: Path, text: str) -> None:
    """Put *text* at *path*, with the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def save_weights(root: Path) -> None:
    """Write weights for both classes, each in another of the shapes in which people save them."""
    import torch

    head = {"head.weight": torch.eye(3) * 4}
    torch.save(head, root / "weights/colours.pth")
    torch.save({"epoch": 3, "model_state_dict": {f"module.{name}": each for name, each in head.items()}}, wrapped(root))
    torch.manual_seed(1)
    grey = {"first.weight": torch.randn(4, 1, 3, 3), "first.bias": torch.zeros(4), "head.weight": torch.randn(3, 4)}
    torch.save({"state_dict": {**grey, "head.bias": torch.zeros(3)}}, root / "weights/grey-net.pth")


def wrapped(root: Path) -> Path:
    """Where the weights of `Colours` lie once more, in the wrappings of a training script."""
    folder = root / "global_models/COLOURS_20260102-030405"
    folder.mkdir(parents=True)
    record = history(2, classes=["r", "g", "b"], input_channels=3, input_size=4, status="completed", test_accuracy=0.5)
    record["normalisation"] = {"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]}
    write(folder / "result.json", json.dumps(record))
    return folder / "best_model.pth"
