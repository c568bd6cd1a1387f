"""A damaged image_process.db is named, and one damaged row hides no other."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from spoolfarm.cli import doctor
from spoolfarm.errors import SpoolUnavailable
from spoolfarm.farm.farm import Farm
from spoolfarm.server.upload_db import Records
from spoolfarm.server.uploads import Uploads
from spoolfarm.spool.job import Job
from spoolfarm.spool.jobfile import Claim
from spoolfarm.spool.record import parsed
from tests.support.damage import spoil
from tests.support.spool_tree import succeeded

NAME = "image_20261121_130907_9015cf6326b0.jpg"


@pytest.fixture
def db(farm: Farm) -> Path:
    """The records of an upload that is processed, and of one that has ended."""
    path = Path(farm.settings.data_dir, "image_process.db")
    with closing(Records(str(path))) as records:
        records.begin("ended.jpg", "1" * 24)
        records.complete("ended.jpg", 12.5, 0.9)
        records.begin(NAME, "2" * 24)
    return path


@pytest.fixture
def uploads(farm: Farm) -> Iterator[Uploads]:
    made = Uploads(farm, farm.settings.data_dir)
    yield made
    made.close()


def alter(db: Path, statement: str) -> None:
    with closing(sqlite3.connect(db)) as altered, altered:
        altered.execute(statement)


def test_a_damaged_file_is_a_refusal_that_names_it_or_rows_that_can_be_told(
    db: Path, farm: Farm, tmp_path: Path
) -> None:
    data = db.read_bytes()
    place = data.rindex(NAME.encode())
    ways = [*range(0, 800, 3), *range(8 * (place - 40), 8 * (place + 80), 5), *range(8 * len(data), 9 * len(data), 997)]
    refused = 0
    for number in ways:
        path = tmp_path / str(number) / "image_process.db"
        path.parent.mkdir()
        path.write_bytes(spoil(data, number))
        with closing(Uploads(farm, str(path.parent))) as uploads:
            try:
                uploads.settle()
                told = [uploads.status(name) for name in ("ended.jpg", NAME)]
            except SpoolUnavailable as error:
                assert str(path) in str(error)  # noqa: PT017  # some are refused, and others are told
                refused += 1
                continue
            for each in told:
                json.dumps(each, allow_nan=False)
                assert each is None or each["status"] in ("processing", "completed", "error")
    assert refused > 20
    assert refused < len(ways)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("UPDATE image_results SET status = 'prncessing'", {"status": "error"}),
        ("UPDATE image_results SET status = CAST(x'ff70' AS TEXT)", {"status": "error"}),
        ("UPDATE image_results SET status = x'00'", {"status": "error"}),
        ("UPDATE image_results SET degree = 'text'", {"status": "error"}),
        ("UPDATE image_results SET degree = 9e999", {"status": "error"}),
        ("UPDATE image_jobs SET eccentricity = 'text'", {"status": "completed", "degree": 12.5}),
        ("UPDATE image_results SET created_at = 'yesterday'", {"status": "completed", "degree": 12.5}),
    ],
)
def test_a_damaged_row_ends_as_an_error_that_names_the_file(
    db: Path, uploads: Uploads, change: str, told: dict[str, Any]
) -> None:
    alter(db, f"{change} WHERE filename = 'ended.jpg'")
    status = uploads.status("ended.jpg")
    assert status is not None
    assert told.items() <= status.items()
    if told["status"] == "error":
        assert str(db) in status["reason"]
    assert (uploads.status(NAME) or {})["status"] == "processing"


def test_a_row_whose_text_is_damaged_hides_no_other(db: Path, uploads: Uploads) -> None:
    alter(db, "UPDATE image_jobs SET job = CAST(x'ff70' AS TEXT) WHERE filename = 'ended.jpg'")
    alter(db, "UPDATE image_results SET status = 'processing' WHERE filename = 'ended.jpg'")
    uploads.settle()
    assert (uploads.status(NAME) or {})["status"] == "processing"


def test_an_upload_whose_result_has_lost_its_picture_ends_as_an_error(db: Path, uploads: Uploads, farm: Farm) -> None:
    job = Job("orient", id="2" * 24)
    result = succeeded(Claim(job, "", 0.0), {"degree": 1.0})
    farm.results.publish(result, sync=False)
    path = Path(farm.results.root, f"{job.id}.json")
    record = parsed(path.read_bytes(), job.id) | {"files": ["picture.jpg"]}
    path.write_text(json.dumps(record))
    uploads.settle()
    status = uploads.status(NAME)
    assert status is not None
    assert status["status"] == "error"
    assert "picture.jpg, is gone" in status["reason"]


def test_the_doctor_names_a_damaged_database(db: Path, farm: Farm) -> None:
    [whole] = doctor.damage(farm.settings)
    assert whole.what.endswith("files are as they were written")
    db.write_bytes(b"SQLite format 4" + db.read_bytes()[15:])
    [finding] = doctor.damage(farm.settings)
    assert str(db) in finding.what
