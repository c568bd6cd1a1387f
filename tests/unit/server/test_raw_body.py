"""Raw bodies: the picture itself under its own content type, and its parameters in the query."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pytest
from flask.testing import FlaskClient

from spoolfarm.farm.farm import Farm
from spoolfarm.server.current import FARM
from tests.support.front_client import front_client
from tests.support.http_requests import refused
from tests.support.pictures import small

PDF = b"%PDF-1.4\n%%EOF\n"


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    """A front without workers."""
    with front_client(tmp_path_factory.mktemp("front")) as client:
        yield client


def queued(front: FlaskClient, query: str, data: bytes, kind: str | None) -> dict[str, Any]:
    """The job that `POST /v1/jobs` makes of *data*: its task, its parameters, its priority and its pictures."""
    answer = front.post(f"/v1/jobs?{query}", data=data, content_type=kind)
    assert answer.status_code == 202, answer.text
    farm: Farm = front.application.extensions[FARM]
    file = farm.spool.find(answer.get_json()["id"])
    assert file is not None
    job = file.job()
    return {"task": job.task, "params": dict(job.params), "priority": job.priority, "pictures": [*job.images]}


@pytest.mark.parametrize("kind", ["image/jpeg", "image/png", "IMAGE/PNG; a=b", "application/octet-stream", None])
def test_a_picture_is_taken_as_it_is(front: FlaskClient, kind: str | None) -> None:
    made = queued(front, "task=segment&priority=3", small(), kind)
    assert (made["task"], made["priority"], made["pictures"]) == ("segment", 3, [small()])


def test_bytes_that_say_nothing_of_themselves_and_are_no_picture_are_refused(front: FlaskClient) -> None:
    refused(front.post("/v1/jobs?task=echo", data=b"words"), 415, "not an unnamed type")
    assert queued(front, "task=echo", b"words", "application/octet-stream")["pictures"] == [b"words"]


def test_a_pdf_is_taken_as_a_document(front: FlaskClient) -> None:
    for kind in ("application/pdf", "application/octet-stream", None):
        assert queued(front, "task=ocr", PDF, kind)["task"] == "document"


@pytest.mark.parametrize(
    ("query", "params"),
    [
        ("task=echo&n=7&name=a%20b&flag=true&none=null&list=1&list=x", None),
        ("task=echo&params={%22n%22:1}&m=2", {"n": 1, "m": 2}),
        ("task=ocr&min_score=0.6&side=640&rotate=none", {"min_score": 0.6, "side": 640, "rotate": "none"}),
        ("task=ocr&outputs=pdf&outputs=text", {"outputs": ["pdf", "text"]}),
        ("task=ocr&outputs=pdf", {"outputs": ["pdf"]}),
        ("task=ocr&outputs=[%22pdf%22]&dpi=72", {"outputs": ["pdf"], "dpi": 72}),
        ("task=ocr&regions=[[[0,0],[9,0],[9,9]]]", {"regions": [[[0, 0], [9, 0], [9, 9]]]}),
        ("task=edit&operations=resize=2&operations=blur=3", {"operations": ["resize=2", "blur=3"]}),
    ],
)
def test_parameters_in_the_query_have_the_types_that_the_task_wants(
    front: FlaskClient, query: str, params: dict[str, Any] | None
) -> None:
    made = queued(front, query, small(), "image/png")["params"]
    wanted = params or {"n": 7, "name": "a b", "flag": True, "none": None, "list": [1, "x"]}
    assert {name: made[name] for name in wanted} == wanted


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ("", 400, "task: is missing"),
        ("task=nothing", 404, "no task is called 'nothing'"),
        ("task=ocr&min_score=high", 422, "params.min_score: "),
        ("task=ocr&side=640&side=720", 400, "side: send one"),
        ("task=ocr&colour=red", 422, "params.colour: "),
        ("task=echo&params=[]", 400, "params must be a JSON object"),
        ("task=echo&params={", 400, "params is not valid JSON"),
        ("task=echo&priority=high", 400, "priority: "),
        ("task=echo&n=" + "[" * 40 + "]" * 40, 400, "nests deeper"),
        ("task=echo&n=1e999", 400, "params: "),
    ],
)
def test_a_query_that_cannot_be_meant_is_refused_by_name(
    front: FlaskClient, query: str, status: int, words: str
) -> None:
    refused(front.post(f"/v1/jobs?{query}", data=small(), content_type="image/png"), status, words)


@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize("path", ["/v1/run/ocr", "/v1/run/ocr/", "/v1/run/segment", "/predict", "/v1/edit"])
def test_the_endpoints_that_answer_at_once_take_it_by_either_method(front: FlaskClient, method: str, path: str) -> None:
    answer = front.open(path, method=method, data=small("JPEG"), content_type="image/jpeg")
    assert refused(answer, 504)["code"] == "wait_timeout"  # there is no worker


def test_an_upload_takes_it_too(front: FlaskClient) -> None:
    answer = front.put("/upload", data=small("JPEG"), content_type="image/jpeg")
    assert answer.get_json()["message"] == "success upload image"


def test_what_is_no_picture_is_called_the_body(front: FlaskClient) -> None:
    for kind in ("image/png", "application/octet-stream", "image/svg+xml"):
        refused(front.put("/v1/run/ocr", data=b"words", content_type=kind), 415, "the body: is not a picture")
        refused(front.put("/v1/run/ocr", content_type=kind), 400, "the body: is empty")
    refused(front.put("/v1/run/simulate", data=small(), content_type="image/png"), 400, "simulate takes no image")


def test_other_content_types_are_told_what_would_do(front: FlaskClient) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "video/mp4"):
        refused(front.post("/v1/run/ocr", data=small(), content_type=kind), 415, "its own content type", kind)


def test_the_task_of_the_query_must_be_that_of_the_address(front: FlaskClient) -> None:
    asked: dict[str, Any] = {"data": small(), "content_type": "image/png"}
    refused(front.post("/v1/run/ocr?task=edit", **asked), 400, "task: the address says ocr, the body edit")
    refused(front.post("/predict?task=edit", **asked), 400, "task: ")


@pytest.mark.parametrize(
    ("address", "lost"),
    [
        ("/v1/run/ocr?min_score=0.9", "min_score"),
        ("/v1/run/simulate?rounds=3", "rounds"),
        ("/v1/jobs?task=echo", "task"),
        ("/predict?score_threshold=0.9", "score_threshold"),
        ("/upload?priority=1", "priority"),
        ("/v1/run/ocr?params={}", "params"),
    ],
)
def test_what_the_query_says_beside_a_body_of_fields_is_not_lost_in_silence(
    front: FlaskClient, address: str, lost: str
) -> None:
    sentence = f"{lost}: stands in the query, which counts beside a raw picture only"
    refused(front.post(address, data={"image": (BytesIO(small()), "a.jpg")}), 400, sentence)
    refused(front.post(address, json={}), 400, sentence)


def test_an_edit_of_a_form_does_not_lose_what_the_query_says(front: FlaskClient) -> None:
    answer = front.post("/v1/edit?operations=resize=0.5", data={"image": (BytesIO(small()), "a.jpg")})
    refused(answer, 400, "operations: stands in the query")


def test_what_is_no_parameter_may_stand_in_any_query(front: FlaskClient) -> None:
    assert (
        front.post("/v1/jobs?trace=7", json={"task": "orient", "image": b64encode(small()).decode()}).status_code == 202
    )
