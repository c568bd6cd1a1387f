"""`/items/`: paths, operations and requests that are refused before anything is done."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.support.data_folder import body, picture
from tests.support.http_requests import refused
from tests.support.pictures import bomb, png
from tests.unit.server.conftest import Make


def test_two_pictures_may_not_share_an_output(front: FlaskClient, data_of: Path) -> None:
    for name in ("a.png", "b.png"):
        picture(data_of / name)
    refused(
        front.post("/items/", json=body([("a.png", "c.png"), ("b.png", "./c.png")])), 422, "images[1].output", "[0]"
    )
    clash = body([("a.png", "c.png"), ("b.png", "c_2.png")], ["split=1"])
    assert front.post("/items/", json=clash).status_code == 504  # c_2_1.png and so on: no clash, and no worker
    clash = body([("a.png", "c.png"), ("b.png", "c_2.png")])
    assert front.post("/items/", json=clash).status_code == 504


@pytest.fixture
def data_of(front: FlaskClient) -> Path:
    """The data folder of the front without workers."""
    made = Path(front.application.extensions["spoolfarm"].settings.data_dir)
    made.mkdir(parents=True, exist_ok=True)
    return made


@pytest.mark.parametrize(
    "path",
    [
        *("../outside/a.png", "in/../../outside/a.png", "/etc/passwd", "{outside}/a.png", "//etc/passwd.png"),
        *("folder/a.png", "file.png", "folder/../../outside/a.png"),
    ],
)
def test_nothing_outside_the_data_folder_is_read_or_written(front: FlaskClient, data_of: Path, path: str) -> None:
    outside = data_of.parent / "outside"
    picture(outside / "a.png")
    picture(data_of / "in/a.png")
    for link, target in (("folder", outside), ("file.png", outside / "a.png")):
        if not (data_of / link).is_symlink():
            (data_of / link).symlink_to(target)
    path = path.format(outside=outside)
    before = sorted(outside.iterdir()), (outside / "a.png").read_bytes()
    refused(front.post("/items/", json=body([(path, "made.png")])), 403, "images[0].input")
    ending = path if path.endswith(".png") else f"{path}.png"
    refused(front.post("/items/", json=body([("in/a.png", ending)])), 403, "images[0].output")
    refused(front.post("/items/", json=body([("in/a.png", "made.png"), ("in/a.png", ending)])), 403, "images[1].output")
    assert not (data_of / "made.png").exists()
    assert (sorted(outside.iterdir()), (outside / "a.png").read_bytes()) == before


@pytest.mark.parametrize(
    ("sent", "status", "word"),
    [
        ({"images": []}, 400, "operations: "),
        ({"operations": []}, 400, "images: "),
        ({"images": {}, "operations": []}, 400, "images: "),
        ({"images": [{"input": "a.png"}], "operations": []}, 400, "images.0.output: "),
        ({"images": [{"input": 1, "output": "a.png"}], "operations": []}, 400, "images.0.input: "),
        ({"images": [{"input": "a.png", "output": "b.png", "x": 1}], "operations": []}, 400, "images.0.x: "),
        ({"images": [], "operations": [1]}, 400, "operations.0: "),
        ({"images": [], "operations": "resize=2"}, 400, "operations: "),
        ({"images": [{"input": "a\0.png", "output": "b.png"}], "operations": []}, 400, "images[0].input: is no path"),
        ({"images": [{"input": "", "output": "b.png"}], "operations": []}, 400, "images[0].input: is no path"),
        ({"images": [{"input": "a.png", "output": "b.txt"}], "operations": []}, 422, "images[0].output: pictures are"),
        ({"images": [{"input": "a.png", "output": "b"}], "operations": []}, 422, "images[0].output: pictures are"),
        ({"images": [{"input": "a.png", "output": "b.png"}], "operations": ["string"]}, 422, "operations[0]: "),
        ({"images": [{"input": "a.png", "output": "b.png"}], "operations": ["resize=x"]}, 422, "operations[0]: "),
        ({"images": [{"input": "a.png", "output": "b.png"}], "operations": ["resize=90"]}, 422, "3600 x 2700"),
        ({"images": [{"input": "a.png", "output": "b.png"}], "operations": ["split=1"] * 5}, 422, "256 pictures"),
        ({"images": [{"input": "x", "output": "b.png"}] * 1001, "operations": []}, 400, "images: "),
    ],
)
def test_what_is_wrong_is_named(make: Make, sent: Any, status: int, word: str) -> None:
    front = make(FARM_MAX_PIXELS=2_000_000)
    folder = Path(front.application.extensions["spoolfarm"].settings.data_dir)
    picture(folder / "a.png")
    refused(front.post("/items/", json=sent), status, word)
    assert os.listdir(folder) == ["a.png"]
    assert front.get("/v1/jobs").get_json()["jobs"] == []


def test_an_input_over_the_pixel_limit_is_413_before_any_decoding(front: FlaskClient, data_of: Path) -> None:
    (data_of / "bomb.png").write_bytes(bomb())
    (data_of / "lie.png").write_bytes(png(16000, 16000, b""))
    for name in ("bomb.png", "lie.png"):
        refused(front.post("/items/", json=body([(name, "b.png")])), 413, "images[0].input", "pixels")


def test_only_json_is_taken(front: FlaskClient) -> None:
    refused(front.post("/items/", data="images=x"), 415)
    refused(front.get("/items/"), 405)


def test_a_queue_without_room_for_all_takes_none(make: Make) -> None:
    front = make(FARM_MAX_QUEUED=3)
    folder = Path(front.application.extensions["spoolfarm"].settings.data_dir)
    picture(folder / "a.png")
    answer = front.post("/items/", json=body([("a.png", f"{number}.png") for number in range(4)]))
    assert refused(answer, 503)["code"] == "spool_full"
    assert front.get("/v1/jobs").get_json()["jobs"] == []
    assert front.post("/items/", json=body([("a.png", f"{number}.png") for number in range(3)])).status_code == 504
