"""Edits under fire: a worker that dies while it edits a picture in its place."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from spoolfarm.images import decode
from spoolfarm.tasks.edit.recipe import Recipe
from tests.support.running_farm import RunningFarm, until
from tests.unit.tasks.edit.test_operations import noise

OPERATIONS = ["denoise=10", "flip=h", "resize=0.5"]


def test_a_picture_edited_in_its_place_is_edited_once_although_its_worker_died(
    run: Callable[..., RunningFarm],
) -> None:
    farm = run(FARM_ENABLE="edit", FARM_WORKERS=1, FARM_SIMULATIONS=0, FARM_DOCUMENTS=0).start()
    folder = Path(farm.given["FARM_DATA_DIR"], "in")
    folder.mkdir(parents=True)
    original = noise(700, 500)
    (folder / "a.png").write_bytes(cv2.imencode(".png", original)[1].tobytes())
    body = {"images": [{"input": "in/a.png", "output": "in/a.png"}], "operations": OPERATIONS}
    answers: list[tuple[int, Any]] = []
    asking = threading.Thread(target=lambda: answers.append(farm.post("/items/", body, Prefer="wait=60")))
    asking.start()
    until(lambda: any(farm.farm.spool.running().values()), what="the job to run")
    os.kill(farm.workers()[0], signal.SIGKILL)
    asking.join(60)
    assert answers == [(200, body)]
    [expected] = Recipe.parse(OPERATIONS).run(original)
    assert np.array_equal(decode((folder / "a.png").read_bytes()), expected)
    assert os.listdir(folder) == ["a.png"]
    assert farm.log().count("ready for edit") == 2
