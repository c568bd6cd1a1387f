"""`/inference`: files and the name of a task in, results out."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import requests
from flask.testing import FlaskClient

from tests.support.http_requests import multipart, refused
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
    ("picture", "status"), [(b"no picture", 415), (b"", 400), (grain("PNG")[:9000], 400), (bomb(), 413)]
)
def test_a_single_bad_picture_has_its_own_status(live: RunningFarm, picture: bytes, status: int) -> None:
    refused(ask(live, "edit", picture), status)


def test_a_path_in_the_place_of_a_file_is_refused(front: FlaskClient) -> None:
    for sent in (
        {"data": {"model_type": "ocr", "img_file": "/etc/passwd"}},
        multipart(("model_type", "ocr"), ("img_file", "/etc/passwd")),
    ):
        refused(front.post("/inference", **sent), 400, "img_file: send the file itself")


@pytest.mark.parametrize(
    ("parts", "status", "word"),
    [
        ([("model_type", "ocr")], 400, "img_file: is missing"),
        ([("img_file", ("a", small()))], 400, "model_type: is missing"),
        ([("model_type", ""), ("img_file", ("a", small()))], 400, "model_type: is missing"),
        ([("model_type", "strawberry"), ("img_file", ("a", small()))], 404, "strawberry"),
        ([("model_type", "../ocr"), ("img_file", ("a", small()))], 404, "../ocr"),
        ([("model_type", "ocr"), ("img_file", ("a", small())), ("x", "1")], 400, "x: "),
        ([("model_type", "ocr"), ("image", ("a", small()))], 400, "image: cannot be a file"),
    ],
)
def test_what_is_wrong_is_named(front: FlaskClient, parts: list[tuple[str, Any]], status: int, word: str) -> None:
    for send in (front.post, front.put):
        refused(send("/inference", **multipart(*parts)), status, word)


def test_other_methods_and_bodies_are_refused(front: FlaskClient) -> None:
    refused(front.get("/inference"), 405)
    refused(front.post("/inference", json={"model_type": "ocr"}), 415)


def test_a_wait_that_runs_out_names_every_job(front: FlaskClient) -> None:
    sent = multipart(("model_type", "edit"), ("img_file", ("a", small())), ("img_file", ("b", small())))
    answer = front.post("/inference", **sent)
    said = refused(answer, 504, "not all 2 results")
    assert answer.headers["Location"] == f"/v1/jobs/{said['ids'][0]}"
    assert [front.get(f"/v1/jobs/{job_id}").get_json()["status"] for job_id in said["ids"]] == ["queued"] * 2
