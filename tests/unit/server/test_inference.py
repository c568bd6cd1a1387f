"""`/inference`: what is refused, and a wait that runs out."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.support.http_requests import multipart, refused
from tests.support.pictures import small


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
