"""`/upload` and `/status`: what is refused leaves no row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from spoolfarm.server.current import FARM
from spoolfarm.server.views.uploads import UPLOADS
from tests.support.http_requests import refused
from tests.support.pictures import small, text_of
from tests.unit.server.conftest import Make


@pytest.mark.parametrize("name", ["image_20230515_123456.jpg", "x", "..%2F..%2Fetc%2Fpasswd", "%ED%A0%80", "%00", "é"])
def test_an_unknown_name_is_a_404_in_the_documents_words(front: FlaskClient, name: str) -> None:
    answer = front.get(f"/status/{name}")
    assert answer.status_code == 404
    if "%2F" not in name:
        assert answer.get_json() == {"error": "找不到该文件的处理记录"}


@pytest.mark.parametrize(
    ("body", "code", "word"),
    [
        ({}, 400, "image"),
        ({"image": ""}, 400, "image: is empty"),
        ({"image": text_of(b"words")}, 415, "image: is not a picture"),
    ],
)
def test_what_is_no_picture_is_refused_and_leaves_no_row(front: FlaskClient, body: Any, code: int, word: str) -> None:
    refused(front.post("/upload", json=body), code, word)
    assert not front.application.extensions[UPLOADS]._records.processing()


def test_a_full_farm_refuses_and_leaves_no_row(make: Make) -> None:
    full = make(FARM_MAX_QUEUED=0)
    refused(full.post("/upload", json={"image": text_of(small())}), 503)
    assert not full.application.extensions[UPLOADS]._records.processing()


def test_records_that_cannot_be_written_are_a_503(make: Make, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    front = make(FARM_DATA_DIR=tmp_path / "file")
    refused(front.post("/upload", json={"image": text_of(small())}), 503, "records")
    assert not front.application.extensions[FARM].spool.count()
    assert front.get("/health").status_code == 200
