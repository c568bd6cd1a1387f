"""`/upload` and `/status`: what is accepted ends with a degree or a reason, whatever dies meanwhile."""

from __future__ import annotations

import contextlib
import io
import os
import re
import signal
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import requests
from PIL import Image

from tests.http.conftest import TASKS
from tests.support.drawn_scenes import bar, between, overlap, png
from tests.support.pictures import small, text_of
from tests.support.running_farm import RunningFarm, until

NAME = re.compile(r"image_\d{8}_\d{6}_[0-9a-z]+\.jpg")
#: The table as the document has it.
COLUMNS = [("filename", "TEXT", 1), ("status", "TEXT", 0), ("degree", "REAL", 0), ("created_at", "TIMESTAMP", 0)]


def data(farm: RunningFarm) -> Path:
    return Path(farm.given["FARM_DATA_DIR"])


def rows(farm: RunningFarm) -> dict[str, tuple[str, float | None]]:
    """Every row as another program reads it: status and degree by file name."""
    with contextlib.closing(sqlite3.connect(data(farm) / "image_process.db", timeout=10)) as db:
        return {name: (status, degree) for name, status, degree, _ in db.execute("SELECT * FROM image_results")}


def upload(farm: RunningFarm, picture: bytes) -> str:
    answer = requests.post(f"{farm.url}/upload", json={"image": text_of(picture)}, timeout=60)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body.keys() == {"message", "filename"}
    assert body["message"] == "success upload image"
    assert NAME.fullmatch(body["filename"])
    return str(body["filename"])


def status(farm: RunningFarm, name: str) -> dict[str, Any]:
    answer = requests.get(f"{farm.url}/status/{name}", timeout=60)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


@pytest.fixture
def quick(tmp_path: Path) -> Iterator[RunningFarm]:
    """A farm that a test may hurt."""
    farm = RunningFarm(tmp_path, FARM_SIMULATIONS=0, **{**TASKS, "FARM_ENABLE": "echo,orient"})
    yield farm
    farm.stop()


def test_an_upload_has_its_row_at_once_and_ends_with_its_degree(either: RunningFarm) -> None:
    sent = cv2.imencode(".jpg", bar(20))[1].tobytes()
    name = upload(either, sent)
    assert name in rows(either)
    until(lambda: status(either, name)["status"] != "processing")
    told = status(either, name)
    assert told == {
        "status": "completed",
        "filename": name,
        "degree": told["degree"],
        "eccentricity": told["eccentricity"],
    }
    assert between(told["degree"], 20) < 4
    assert rows(either)[name] == ("completed", told["degree"])
    assert (data(either) / "uploads" / name).read_bytes() == sent
    white = np.asarray(Image.open(data(either) / "outputs" / name)) > 127
    assert overlap(white, bar(20)[:, :, 0] < 130) > 0.92


def test_the_table_is_the_documents(live: RunningFarm) -> None:
    upload(live, png(bar(0)))
    with contextlib.closing(sqlite3.connect(data(live) / "image_process.db")) as db:
        found = [(name, kind, key) for _, name, kind, _, _, key in db.execute("PRAGMA table_info(image_results)")]
        assert [each[:2] for each in found] == [each[:2] for each in COLUMNS]
        assert found[0][2] == 1
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        [row] = db.execute("SELECT created_at FROM image_results LIMIT 1")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", row[0])


def test_rows_end_by_themselves_though_nobody_asks(live: RunningFarm) -> None:
    names = [upload(live, png(bar(degree))) for degree in (0, 45, 90, 135)]
    until(lambda: all(rows(live)[name][0] == "completed" for name in names))
    for name, degree in zip(names, (0, 45, 90, 135), strict=True):
        assert between(rows(live)[name][1] or 0.0, degree) < 4
        with Image.open(data(live) / "uploads" / name) as picture:
            assert picture.format == "JPEG"


def test_a_picture_without_an_object_is_an_error_with_a_reason_and_its_jpeg(live: RunningFarm) -> None:
    name = upload(live, small())
    until(lambda: rows(live)[name][0] != "processing")
    assert status(live, name) == {
        "status": "error",
        "filename": name,
        "reason": "No object was found in the picture.",
    }
    assert rows(live)[name] == ("error", None)
    assert (data(live) / "uploads" / name).is_file()


def test_a_truncated_picture_is_accepted_and_ends_as_an_error(live: RunningFarm) -> None:
    whole = png(bar(30))
    name = upload(live, whole[: len(whole) // 2])
    until(lambda: rows(live)[name][0] != "processing")
    told = status(live, name)
    assert (told["status"], told.keys()) == ("error", {"status", "filename", "reason"})
    assert "damaged or cut short" in told["reason"]


def test_20_uploads_at_once_are_20_degrees_though_a_worker_is_killed_in_the_middle(quick: RunningFarm) -> None:
    quick.start()
    degrees = [number * 9 - 85 for number in range(20)]
    pictures = [png(bar(degree)) for degree in degrees]
    with ThreadPoolExecutor(20) as pool:
        names = list(pool.map(lambda picture: upload(quick, picture), pictures))
        until(lambda: quick.farm.spool.running())
        os.kill(quick.workers()[0], signal.SIGKILL)
    assert len(set(names)) == 20
    assert rows(quick).keys() == set(names)
    until(lambda: all(state == "completed" for state, _ in rows(quick).values()), 40)
    for name, degree in zip(names, degrees, strict=True):
        assert between(rows(quick)[name][1] or 0.0, degree) < 4


def test_a_farm_killed_in_the_middle_leaves_no_row_processing(quick: RunningFarm) -> None:
    quick.start()
    names = [upload(quick, png(bar(degree))) for degree in range(-40, 40, 10)]
    quick.kill_launcher()
    until(lambda: not quick.processes())
    assert rows(quick).keys() == set(names)
    # What a crash between a row and its job leaves, and what another program may have left.
    with contextlib.closing(sqlite3.connect(data(quick) / "image_process.db")) as db, db:
        for name, job in (("image_lost.jpg", "0" * 24), ("image_foreign.jpg", None)):
            values = (name, "processing", "2023-05-15 12:34:56")
            db.execute("INSERT INTO image_results (filename, status, created_at) VALUES (?, ?, ?)", values)
            if job:
                db.execute("INSERT INTO image_jobs (filename, job) VALUES (?, ?)", (name, job))
    quick.start()
    until(lambda: all(state != "processing" for state, _ in rows(quick).values()), 40)
    found = rows(quick)
    assert {found.pop(name)[0] for name in ("image_lost.jpg", "image_foreign.jpg")} == {"error"}
    assert {state for state, _ in found.values()} == {"completed"}
    assert "upload the picture again" in status(quick, "image_lost.jpg")["reason"]


def test_a_status_survives_the_end_of_the_job_record(live: RunningFarm) -> None:
    name = upload(live, png(bar(10)))
    until(lambda: rows(live)[name][0] == "completed")
    with contextlib.closing(sqlite3.connect(data(live) / "image_process.db")) as db:
        [job] = db.execute("SELECT job FROM image_jobs WHERE filename = ?", (name,)).fetchone()
    live.farm.forget(job)
    assert between(status(live, name)["degree"], 10) < 4
    with Image.open(io.BytesIO((data(live) / "uploads" / name).read_bytes())) as picture:
        assert picture.size == (400, 360)
