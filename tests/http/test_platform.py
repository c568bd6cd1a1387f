"""The REST faces of the Flower platform, on a project that is not ours, with every code of their errors."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import torch
from PIL import Image

from tests.support import foreign_flower_project as foreign
from tests.support.http_requests import refused
from tests.support.running_farm import RunningFarm

RUN = "COLOURS_20260102-030405"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project, with weights that are bad in several ways."""
    made = foreign.make(tmp_path_factory.mktemp("foreign") / "project")
    foreign.save_weights(made)
    foreign.write(made / "weights/junk.pth", "junk")
    foreign.write(made / "weights/nobody.pth", "")
    torch.save({"head.weight": torch.eye(5)}, made / "weights/Colours-.pth")
    foreign.write(made / "history/bad.json", "{")
    foreign.write(made / "history/poor.json", '{"rounds": []}')
    odd = made / "global_models/Colours_20260101-000000"
    foreign.write(odd / "result.json", json.dumps({"classes": ["a", "b"]}))
    torch.save({"head.weight": torch.eye(3)}, odd / "best_model.pth")
    return made


@pytest.fixture(scope="module")
def platform(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningFarm]:
    path = tmp_path_factory.mktemp("platform")
    farm = RunningFarm(path, **foreign.settings(root), FARM_ENABLE="classify", FARM_WORKERS=1, FARM_MAX_PIXELS=10_000)
    try:
        yield farm.start()
    finally:
        farm.stop()
    assert "Traceback" not in farm.log(), farm.log()


def picture(colour: tuple[int, int, int] = (250, 10, 10), size: int = 20) -> str:
    file = io.BytesIO()
    Image.new("RGB", (size, size), colour).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def predict(farm: RunningFarm, body: Any, **more: Any) -> requests.Response:
    sent = {"data": body} if isinstance(body, (str, bytes)) else {"json": body}
    return requests.post(f"{farm.url}/api/predict/", timeout=60, **sent, **more)


def test_models_are_listed_as_the_document_says(platform: RunningFarm) -> None:
    answer = requests.get(f"{platform.url}/api/models/", timeout=10)
    assert answer.status_code == 200
    ids = ["Colours-", "colours", "grey-net", "junk", "nobody", RUN, "Colours_20260101-000000"]
    assert answer.json() == {"models": [{"id": each, "name": each, "description": ""} for each in ids]}
    assert requests.get(f"{platform.url}/api/models", timeout=10).json() == answer.json()


@pytest.mark.parametrize("prefix", ["", "data:image/jpeg;base64,"])
def test_a_picture_is_predicted_as_the_document_says(platform: RunningFarm, prefix: str) -> None:
    answer = predict(platform, {"model_id": "colours", "image_data": prefix + picture()})
    assert answer.status_code == 200, answer.text
    assert set(answer.json()) == {"predictions"}
    found = answer.json()["predictions"]
    assert [set(row) for row in found] == [{"label", "probability"}] * 3
    assert {row["label"] for row in found} == {"rot", "grün", "蓝"}
    assert found[0]["label"] == "rot"
    assert found[0]["probability"] > 0.9
    assert [row["probability"] for row in found] == sorted((row["probability"] for row in found), reverse=True)


def test_the_model_of_a_simulation_predicts_with_its_own_labels(platform: RunningFarm) -> None:
    answer = predict(platform, {"model_id": RUN, "image_data": picture((10, 10, 250))})
    assert answer.json()["predictions"][0]["label"] == "b"


def test_a_task_and_a_face_say_the_same(platform: RunningFarm) -> None:
    asked = {"image": picture((10, 250, 10)), "params": {"model": "colours"}}
    answer = requests.post(f"{platform.url}/v1/run/classify", json=asked, timeout=60).json()
    face = predict(platform, {"model_id": "colours", "image_data": picture((10, 250, 10))}).json()
    assert answer["predictions"] == face["predictions"]
    assert answer["model"] == "colours"


CUT = base64.b64encode(base64.b64decode(picture())[:60]).decode()
GOOD = {"model_id": "colours", "image_data": picture()}


@pytest.mark.parametrize(
    ("body", "status", "word"),
    [
        ("", 400, "JSON"),
        ("{", 400, "JSON"),
        ([1], 400, "object"),
        ({}, 400, "model_id"),
        ({"model_id": "colours"}, 400, "image_data"),
        ({"image_data": picture()}, 400, "model_id"),
        (GOOD | {"model_id": 5}, 400, "model_id"),
        (GOOD | {"model_id": None}, 400, "model_id"),
        (GOOD | {"image_data": None}, 400, "image_data"),
        (GOOD | {"image_data": ""}, 400, "image_data"),
        (GOOD | {"image_data": "!!"}, 400, "image_data"),
        (GOOD | {"image_data": base64.b64encode(b"no picture").decode()}, 400, "image_data"),
        (GOOD | {"image_data": CUT}, 400, "damaged"),
        (GOOD | {"image_data": picture(size=101)}, 413, "image_data"),
        (GOOD | {"model_id": "junk"}, 400, "'junk'"),
        (GOOD | {"model_id": "nobody"}, 400, "'nobody'"),
        (GOOD | {"model_id": "Colours-"}, 400, "size mismatch"),
        (GOOD | {"model_id": "other"}, 404, "'other'"),
        (GOOD | {"model_id": ""}, 404, "''"),
        (GOOD | {"model_id": "../weights/colours"}, 404, "no model"),
        (GOOD | {"model_id": "colours.pth"}, 404, "no model"),
        (GOOD | {"model_id": "Colours_20260101-000000"}, 500, "2 labels"),
    ],
)
def test_what_cannot_be_predicted_has_the_code_of_the_document(
    platform: RunningFarm, body: Any, status: int, word: str
) -> None:
    headers = {"headers": {"Content-Type": "application/json"}} if isinstance(body, str) else {}
    refused(predict(platform, body, **headers), status, word)


def test_a_body_that_is_no_json_is_a_400(platform: RunningFarm) -> None:
    refused(predict(platform, "model_id=colours"), 400, "application/json")


def history(farm: RunningFarm, model_id: str) -> requests.Response:
    return requests.get(f"{farm.url}/api/models/{model_id}/training_history/", timeout=10)


def test_a_training_history_is_told(platform: RunningFarm) -> None:
    assert history(platform, "colours").json() == foreign.history(3)
    answer = history(platform, RUN)
    assert answer.status_code == 200
    assert answer.json() == foreign.history(2, status="completed", test_accuracy=0.5)


@pytest.mark.parametrize(
    ("model_id", "status", "word"),
    [
        ("grey-net", 404, "grey-net"),
        ("..", 404, ""),
        ("..%2Fhistory%2Fcolours", 404, ""),
        ("%2e%2e", 404, ""),
        ("bad", 500, "not JSON"),
        ("poor", 500, "accuracies"),
    ],
)
def test_a_history_that_cannot_be_told_has_the_code_of_the_document(
    platform: RunningFarm, model_id: str, status: int, word: str
) -> None:
    refused(history(platform, model_id), status, word)


def test_many_pictures_for_one_model_are_told_apart(platform: RunningFarm) -> None:
    from concurrent.futures import ThreadPoolExecutor

    colours = [((250, 5, 5), "rot"), ((5, 250, 5), "grün"), ((5, 5, 250), "蓝")] * 20
    with ThreadPoolExecutor(30) as pool:
        bodies = [{"model_id": "colours", "image_data": picture(colour)} for colour, _ in colours]
        answers = list(pool.map(lambda body: predict(platform, body).json(), bodies))
    assert [each["predictions"][0]["label"] for each in answers] == [label for _, label in colours]
