"""The repository's own Flower project through the farm: trained, listed, its history told, its digits right."""

from __future__ import annotations

import base64
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import requests
from PIL import Image

from tests.support.running_farm import ROOT, RunningFarm, until


def digits(project: Path, number: int) -> list[tuple[str, str]]:
    """The first handwritten digits of the data set, as a client sends a picture, with what each is."""
    found = []
    for row in json.loads((project / "digits.json").read_text())["pictures"][:number]:
        grey = bytes(round(int(value, 17) * 255 / 16) for value in row[2:])
        file = io.BytesIO()
        Image.frombytes("L", (8, 8), grey).save(file, "PNG")
        found.append((base64.b64encode(file.getvalue()).decode(), row[0]))
    return found


def test_a_model_is_trained_listed_and_tells_digits(run: Callable[..., RunningFarm], tmp_path: Path) -> None:
    project = tmp_path / "project"
    shutil.copytree(ROOT / "flower_project", project, ignore=shutil.ignore_patterns("*_2*", "__pycache__"))
    farm = run(FARM_ENABLE="classify,simulate", FARM_WORKERS=1, FLOWER_PROJECT_DIR=project).start(ready=False)
    until(lambda: len(farm.farm.workers()) == 2, 60, what=f"the workers; {farm.log()}")
    result = farm.farm.submit("simulate", rounds=4, local_epochs=2, learning_rate=0.05, fraction_fit=0.8).wait(100)
    assert result["exit_code"] == 0
    assert [model["id"] for model in farm.get("/api/models/")[1]["models"]] == [result["folder"]]
    status, history = farm.get(f"/api/models/{result['folder']}/training_history/")
    assert status == 200
    assert history["rounds"] == [1, 2, 3, 4]
    assert history["status"] == "completed"
    right = 0
    for picture, digit in digits(project, 40):
        body = {"model_id": result["folder"], "image_data": f"data:image/png;base64,{picture}"}
        answer = requests.post(f"{farm.url}/api/predict/", json=body, timeout=60).json()
        assert len(answer["predictions"]) == 10
        right += answer["predictions"][0]["label"] == digit
    assert right >= 34
