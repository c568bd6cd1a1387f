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

from tests.support.data_folder import body, picture
from tests.support.http_requests import at_rest, files_of, refused
from tests.support.pictures import grain
from tests.support.running_farm import RunningFarm, until

SPLITS = ["splitQuadrants=True", "resize=2", "splitQuadrants=True", "resize=2"]


def ask(
    farm: RunningFarm, pairs: Sequence[tuple[object, object]], *operations: str, **headers: str
) -> requests.Response:
    """POST the request."""
    return requests.post(f"{farm.url}/items/", json=body(pairs, operations), headers=headers, timeout=60)


def skipped(answer: requests.Response) -> list[str]:
    """The names in X-Skipped."""
    return [unquote(name) for name in answer.headers.get("X-Skipped", "").split(", ") if name]


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
    until(lambda: files_of(live) == before, what="nothing to be left")


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
    until(lambda: "/items/ skipped" in live.log() and "Not a regular file" in live.log(), what="the log")


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


def test_nothing_is_done_when_one_path_is_refused(live: RunningFarm, data: Path) -> None:
    picture(data / "a.png")
    before = at_rest(live)
    refused(ask(live, [(data / "a.png", data / "b.png"), (data / "a.png", "/etc/c.png")]), 403, "images[1].output")
    assert os.listdir(data) == ["a.png"]
    assert files_of(live) == before


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


def test_an_output_that_cannot_be_is_refused_before_anything_is_done(live: RunningFarm, data: Path) -> None:
    picture(data / "a.png")
    (data / "file").write_text("in the way")
    refused(
        ask(live, [(data / "a.png", data / "b.png"), (data / "a.png", data / "file/c.png")]), 422, "images[1].output"
    )
    assert not (data / "b.png").exists()
