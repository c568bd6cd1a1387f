"""`/inference`: files and the name of a task in, results out."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from tests.support.http_requests import refused
from tests.support.pictures import bomb, grain, page, small
from tests.support.running_farm import RunningFarm


def ask(farm: RunningFarm, kind: str, *pictures: bytes, method: str = "POST") -> requests.Response:
    """Send *pictures* for *kind*."""
    files = [("img_file", (f"{number}.png", picture)) for number, picture in enumerate(pictures)]
    return requests.request(method, f"{farm.url}/inference", data={"model_type": kind}, files=files, timeout=60)


@pytest.mark.needs("curl")
def test_curl_gets_the_text_of_a_page(live: RunningFarm, tmp_path: Path) -> None:
    (tmp_path / "page.jpg").write_bytes(page(["Invoice 2026-118"]))
    command = ["curl", "-s", "-F", "model_type=ocr", "-F", "img_file=@page.jpg", f"{live.url}/inference"]
    said = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=60).stdout
    [result] = json.loads(said)
    assert "".join(result["text"].split()) == "Invoice2026-118"


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_results_come_in_the_order_of_the_files(live: RunningFarm, method: str) -> None:
    answer = ask(live, "echo", b"1", b"22", b"333", b"4444", method=method)
    assert answer.status_code == 200
    assert [result["bytes"] for result in answer.json()] == [1, 2, 3, 4]


def test_a_bad_picture_among_several_is_an_error_at_its_place(live: RunningFarm) -> None:
    answer = ask(live, "edit", small(), b"no picture", grain("PNG")[:9000], b"", bomb(), small())
    assert answer.status_code == 200
    results = answer.json()
    assert [result.get("code") for result in results] == [
        *(None, "unsupported_media", "broken_image", "invalid_request", "too_large", None)
    ]
    assert results[5]["pictures"][0]["width"] == 40
    assert "img_file[1]" in results[1]["error"]


@pytest.mark.parametrize(
    ("made", "status"), [(lambda: b"no picture", 415), (bytes, 400), (lambda: grain("PNG")[:9000], 400), (bomb, 413)]
)
def test_a_single_bad_picture_has_its_own_status(live: RunningFarm, made: Callable[[], bytes], status: int) -> None:
    refused(ask(live, "edit", made()), status)
