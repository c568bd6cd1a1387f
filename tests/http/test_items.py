"""`/items/`: pictures of the data folder, edited where they lie."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import cv2
import numpy as np
import pytest
import requests
from flask.testing import FlaskClient

from tests.http.conftest import Make
from tests.support.http_requests import at_rest, files_of, refused
from tests.support.pictures import bomb, grain, png
from tests.support.running_farm import RunningFarm, until

SPLITS = ["splitQuadrants=True", "resize=2", "splitQuadrants=True", "resize=2"]


def body(pairs: Sequence[tuple[object, object]], operations: Sequence[str] = ()) -> dict[str, Any]:
    """The request for *pairs* of input and output."""
    images = [{"input": str(given), "output": str(made)} for given, made in pairs]
    return {"images": images, "operations": [*operations]}


def ask(
    farm: RunningFarm, pairs: Sequence[tuple[object, object]], *operations: str, **headers: str
) -> requests.Response:
    """POST the request."""
    return requests.post(f"{farm.url}/items/", json=body(pairs, operations), headers=headers, timeout=60)


def skipped(answer: requests.Response) -> list[str]:
    """The names in X-Skipped."""
    return [unquote(name) for name in answer.headers.get("X-Skipped", "").split(", ") if name]


def picture(path: Path, width: int = 40, height: int = 30, seed: int = 1) -> np.ndarray[Any, Any]:
    """Write a picture and return its pixels."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(path.suffix, pixels)[1].tobytes())
    return pixels


def pixels(path: Path) -> np.ndarray[Any, Any]:
    """What *path* shows."""
    return np.asarray(cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR))


@pytest.fixture
def data(live: RunningFarm, request: pytest.FixtureRequest) -> Path:
    """A folder of the test's own in the data folder."""
    made = Path(live.given["FARM_DATA_DIR"], request.node.name.partition("[")[0])
    made.mkdir(parents=True, exist_ok=True)
    return made


def test_the_documents_example_leaves_64_files_of_the_size_of_their_originals(live: RunningFarm, data: Path) -> None:
    sizes = {1: (400, 300), 2: (64, 48), 3: (202, 102), 4: (16, 8)}
    for number, size in sizes.items():
        picture(data / f"in/cyclo{number}.jpg", *size)
    pairs = [
        (data / f"in/cyclo{number}.jpg", data / f"out/cyclo{number}_processed.{'jpg' if number % 2 else 'PNG'}")
        for number in sizes
    ]
    before = at_rest(live)
    answer = ask(live, pairs, *SPLITS)
    assert answer.status_code == 200
    assert answer.json() == body(pairs, SPLITS)
    assert "X-Skipped" not in answer.headers
    made = sorted((data / "out").iterdir())
    assert len(made) == 64
    for number, (width, height) in sizes.items():
        suffix = "jpg" if number % 2 else "PNG"
        for part in range(1, 17):
            assert pixels(data / f"out/cyclo{number}_processed_{part}.{suffix}").shape == (height, width, 3)
    until(lambda: files_of(live) == before, 5, what="nothing to be left")


def test_the_documents_first_try_is_echoed(live: RunningFarm) -> None:
    for path in ("/items/", "/items"):
        answer = requests.post(live.url + path, json={"images": [], "operations": ["string"]}, timeout=60)
        assert (answer.status_code, answer.json()) == (200, {"images": [], "operations": ["string"]})


def test_values_out_of_bounds_skip_their_operation(live: RunningFarm, data: Path) -> None:
    original = picture(data / "a.png")
    operations = [
        "resize=0.05",
        "resize=101",
        "resize=nan",
        "blur=-1",
        "split=None",
        "split=false",
        "splitQuadrants=False",
    ]
    answer = ask(live, [(data / "a.png", data / "b.png")], *operations)
    assert answer.json() == body([(data / "a.png", data / "b.png")], operations)
    assert np.array_equal(pixels(data / "b.png"), original)


def test_paths_may_be_relative_to_the_data_folder(live: RunningFarm, data: Path) -> None:
    original = picture(data / "a.png")
    assert ask(live, [(f"{data.name}/a.png", f"{data.name}/new/b.png")]).status_code == 200
    assert np.array_equal(pixels(data / "new/b.png"), original)


def test_what_is_missing_or_no_picture_is_skipped_and_named_and_the_others_are_done(
    live: RunningFarm, data: Path
) -> None:
    for name in ("1.png", "2.png"):
        picture(data / name)
    (data / "text.png").write_bytes(b"just words")
    (data / "empty.png").write_bytes(b"")
    (data / "cut.jpg").write_bytes(grain()[:5000])
    (data / "folder.png").mkdir(exist_ok=True)
    (data / "pipe.png").unlink(missing_ok=True)
    os.mkfifo(data / "pipe.png")
    bad = ["text.png", "not there.png", "empty.png", "cut.jpg", "folder.png", "pipe.png", "纸, ä\r\n.png"]
    names = ["1.png", *bad, "2.png"]
    answer = ask(live, [(data / name, data / f"out/{number}.png") for number, name in enumerate(names)])
    assert answer.status_code == 200
    assert skipped(answer) == [str(data / name) for name in bad]
    assert sorted(os.listdir(data / "out")) == ["0.png", "8.png"]
    until(lambda: "/items/ skipped" in live.log() and "Not a regular file" in live.log(), 5, what="the log")


def test_a_long_list_of_skipped_names_is_cut(live: RunningFarm, data: Path) -> None:
    answer = ask(live, [(data / f"missing {number}.png", data / f"{number}.png") for number in range(1000)])
    assert answer.status_code == 200
    assert len(answer.headers["X-Skipped"]) <= 4100
    assert skipped(answer)[-1] == "..."


def test_a_file_may_be_its_own_output(live: RunningFarm, data: Path) -> None:
    original = picture(data / "a.png")
    ask(live, [(data / "a.png", data / "a.png")], "flip=h")
    assert np.array_equal(pixels(data / "a.png"), original[:, ::-1])


def test_every_picture_is_taken_as_it_was_when_the_request_came(live: RunningFarm, data: Path) -> None:
    originals = [picture(data / f"{number}.png", seed=number) for number in range(8)]
    for _ in range(3):  # the workers do them in another order each time
        turned = [(data / f"{number}.png", data / f"{(number + 1) % 8}.png") for number in range(8)]
        assert ask(live, turned, "flip=v").status_code == 200
        originals = [originals[(number - 1) % 8][::-1] for number in range(8)]
        for number, original in enumerate(originals):
            assert np.array_equal(pixels(data / f"{number}.png"), original)


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


def test_nothing_is_done_when_one_path_is_refused(live: RunningFarm, data: Path) -> None:
    picture(data / "a.png")
    before = at_rest(live)
    refused(ask(live, [(data / "a.png", data / "b.png"), (data / "a.png", "/etc/c.png")]), 403, "images[1].output")
    assert os.listdir(data) == ["a.png"]
    assert files_of(live) == before


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


def test_a_wait_that_runs_out_is_504_and_the_pictures_are_written_all_the_same(live: RunningFarm, data: Path) -> None:
    picture(data / "a.png", 500, 400)
    pairs = [(data / "a.png", data / f"{number}.png") for number in range(4)]
    answer = ask(live, pairs, "denoise=5", Prefer="wait=0.01")
    said = refused(answer, 504, "not all 4 results")
    assert len(said["ids"]) == 4
    assert answer.headers["Location"] == f"/v1/jobs/{said['id']}"
    until(lambda: len(os.listdir(data)) == 5, 40, what="all pictures")
    for job_id in said["ids"]:
        until(lambda: live.get(f"/v1/jobs/{job_id}")[1]["status"] == "succeeded", what="its end")


def test_a_queue_without_room_for_all_takes_none(make: Make) -> None:
    front = make(FARM_MAX_QUEUED=3)
    folder = Path(front.application.extensions["spoolfarm"].settings.data_dir)
    picture(folder / "a.png")
    answer = front.post("/items/", json=body([("a.png", f"{number}.png") for number in range(4)]))
    assert refused(answer, 503)["code"] == "spool_full"
    assert front.get("/v1/jobs").get_json()["jobs"] == []
    assert front.post("/items/", json=body([("a.png", f"{number}.png") for number in range(3)])).status_code == 504


def test_an_output_that_cannot_be_is_refused_before_anything_is_done(live: RunningFarm, data: Path) -> None:
    picture(data / "a.png")
    (data / "file").write_text("in the way")
    refused(
        ask(live, [(data / "a.png", data / "b.png"), (data / "a.png", data / "file/c.png")]), 422, "images[1].output"
    )
    assert not (data / "b.png").exists()
