"""Folders as simulations leave them, without a simulation: for listings and comparisons of many."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

#: When the first of them began, in seconds since the epoch.
FIRST = 1_767_225_600
#: Settings that every one has, beside those given.
SETTINGS = {"rounds": 10, "learning_rate": 0.01, "strategy": "FedAvg", "clients": 6, "seed": 1, "resume": ""}


def run_folder(project: Path, number: int, *, rounds: int = 10, status: str = "completed", **settings: Any) -> str:
    """Write the folder of run *number*, whose curve depends on its learning rate; its name."""
    began = datetime.fromtimestamp(FIRST + 600 * number, UTC)
    name = f"SmallCNN_{began:%Y%m%d-%H%M%S}"
    told = {**SETTINGS, "seed": number, **settings}
    speed = math.log10(told["learning_rate"] * 1000 + 1) / 3
    right = [round(0.97 - 0.87 * math.exp(-speed * each), 4) for each in range(1, rounds + 1)]
    record = {
        "model": "SmallCNN",
        "rounds": [*range(1, rounds + 1)],
        "accuracies": right,
        "losses": [round(-math.log(each), 4) for each in right],
        "seconds": [1.2] * rounds,
        "clients": [[{"client": each, "examples": 200, "loss": 0.5, "accuracy": 0.9} for each in range(5)]] * rounds,
        "status": status,
        "settings": told,
        "started": began.isoformat(timespec="seconds"),
        "test_accuracy": right[-1] if right else None,
        "classes": [str(digit) for digit in range(10)],
    }
    folder = project / "global_models" / name
    folder.mkdir(parents=True)
    (folder / "result.json").write_text(json.dumps(record), encoding="utf-8")
    (folder / "best_model.pth").write_bytes(b"no weights")
    return name
