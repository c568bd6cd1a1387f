"""`/v1/jobs` on a front without workers: submit, look, wait, list, cancel, and names that are none."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from flask.testing import FlaskClient

from spoolfarm.server.current import FARM
from spoolfarm.spool.job import Job
from tests.support.http_requests import RECORD, multipart, refused
from tests.support.pictures import grain, small, text_of
from tests.unit.server.conftest import Make


def kept(front: FlaskClient, job_id: str) -> Job:
    """The queued job as it lies in the spool."""
    entry = front.application.extensions[FARM].spool.find(job_id)
    with open(entry.path, "rb") as file:
        return Job.from_bytes(file.read())


# Submit and look.


def test_a_queued_job_is_shown_as_it_waits(front: FlaskClient) -> None:
    job_id = front.post("/v1/jobs", json={"task": "echo"}, headers={"X-Request-Id": "mine"}).get_json()["id"]
    record = front.get(f"/v1/jobs/{job_id}").get_json()
    assert record.pop("created") > 1e9
    assert record == {
        "id": job_id,
        "task": "echo",
        "status": "queued",
        "attempts": 0,
        "started": None,
        "finished": None,
        "progress": None,
        "source": "http",
        "request_id": "mine",
    }


def test_several_pictures_keep_their_order(front: FlaskClient) -> None:
    sent = [b"first", b"second", b"third"]
    answer = front.post("/v1/jobs", json={"task": "echo", "images": [text_of(each) for each in sent]})
    assert list(kept(front, answer.get_json()["id"]).images) == sent


def test_a_multipart_job_has_the_same_fields(front: FlaskClient) -> None:
    parts = multipart(
        ("task", "echo"),
        ("params", '{"n": 7}'),
        ("priority", "2"),
        ("image", ("a.png", b"first")),
        ("file", ("b.png", b"second")),
        ("images", text_of(b"third")),
    )
    answer = front.post("/v1/jobs", **parts)
    assert answer.status_code == 202
    job = kept(front, answer.get_json()["id"])
    assert (job.task, dict(job.params), job.priority) == ("echo", {"n": 7}, 2)
    assert list(job.images) == [b"first", b"second", b"third"]


@pytest.mark.parametrize("way", ["plain", "data URI", "line breaks", "URL-safe", "no padding", "plus as blank"])
@pytest.mark.parametrize("kind", ["json", "multipart"])
def test_the_base64_may_come_in_many_ways_and_is_the_same_picture(front: FlaskClient, way: str, kind: str) -> None:
    picture = next(each for each in map(grain, ["PNG"] * 50) if "+" in text_of(each) and text_of(each).endswith("="))
    text = text_of(picture)
    sent = {
        "data URI": f"data:image/png;base64,{text}",
        "line breaks": "\n".join(f" {text[at : at + 76]}\t" for at in range(0, len(text), 76)),
        "URL-safe": text.replace("+", "-").replace("/", "_"),
        "no padding": text.rstrip("="),
        "plus as blank": text.replace("+", " "),
    }.get(way, text)
    body = {"task": "ocr", "image": sent}
    answer = front.post("/v1/jobs", **({"json": body} if kind == "json" else multipart(*body.items())))
    assert answer.status_code == 202, answer.text
    assert list(kept(front, answer.get_json()["id"]).images) == [picture]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF"])
def test_every_type_of_picture_is_taken(front: FlaskClient, kind: str) -> None:
    assert front.post("/v1/jobs", json={"task": "ocr", "image": text_of(small(kind))}).status_code == 202


# Wait.


@pytest.mark.parametrize("asked", ["999999", "1000000000.5", "9" * 400])
def test_no_request_waits_longer_than_the_farm_allows(make: Make, asked: str) -> None:
    front = make(FARM_MAX_WAIT=0.1)
    headers = {"Prefer": f"wait={asked}"}
    answer = front.post("/v1/jobs", json={"task": "echo"}, headers=headers)
    assert answer.status_code == 202
    assert answer.get_json().keys() == RECORD
    assert answer.headers["Preference-Applied"] == "wait=0.1"
    assert front.get(answer.headers["Location"], headers=headers).get_json()["status"] == "queued"
    refused(front.post("/v1/run/echo", json={}, headers=headers), 504, "0.1 s")


def test_a_shorter_wait_is_as_it_was_asked_for(make: Make) -> None:
    answer = make().post("/v1/jobs", json={"task": "echo"}, headers={"Prefer": "wait=0.05"})
    assert answer.headers["Preference-Applied"] == "wait=0.05"


def test_nobody_waits_for_a_job_that_is_none(front: FlaskClient) -> None:
    for name in ("0" * 24, "x"):
        refused(front.get(f"/v1/jobs/{name}", headers={"Prefer": "wait=600"}), 404, "no job")


def test_a_preference_nobody_understands_is_ignored(front: FlaskClient) -> None:
    for preference in ("wait", "wait=", "wait=soon", "wait=-1", "wait=1e9", "return=minimal", ","):
        answer = front.post("/v1/jobs", json={"task": "echo"}, headers={"Prefer": preference})
        assert (answer.status_code, answer.get_json()["status"]) == (202, "queued")
        assert "Preference-Applied" not in answer.headers


# Idempotency-Key.


def test_a_repeat_while_the_first_job_waits_shows_it_waiting(front: FlaskClient) -> None:
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    first = front.post("/v1/jobs", json={"task": "echo"}, headers=headers)
    repeat = front.post("/v1/jobs", json={"task": "echo"}, headers=headers)
    assert (first.status_code, repeat.status_code) == (202, 202)
    assert (repeat.get_json()["id"], repeat.get_json()["status"]) == (first.get_json()["id"], "queued")


@pytest.mark.parametrize(
    "other", [{"params": {"n": 2}}, {"image": text_of(b"y")}, {"task": "ocr", "image": text_of(small()), "params": {}}]
)
def test_the_same_key_with_another_request_is_409(front: FlaskClient, other: dict[str, Any]) -> None:
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    body = {"task": "echo", "params": {"n": 1}, "image": text_of(b"x")}
    first = front.post("/v1/jobs", json=body, headers=headers).get_json()
    refusal = refused(front.post("/v1/jobs", json=body | other, headers=headers), 409, "Idempotency-Key", first["id"])
    assert refusal["code"] == "key_conflict"


def test_an_empty_key_is_refused_rather_than_shared_by_all(front: FlaskClient) -> None:
    for key in ("", "  "):
        refused(front.post("/v1/jobs", json={"task": "echo"}, headers={"Idempotency-Key": key}), 400, "Idempotency-Key")


# List.


def test_the_list_filters_and_turns_pages(make: Make) -> None:
    front = make()
    ids = [front.post("/v1/jobs", json={"task": "echo", "params": {"n": n}}).get_json()["id"] for n in range(7)]
    read = front.post("/v1/jobs", json={"task": "ocr", "image": text_of(small())}).get_json()["id"]
    front.delete(f"/v1/jobs/{ids[0]}")

    def listed(query: str) -> list[str]:
        return [job["id"] for job in front.get(f"/v1/jobs?{query}").get_json()["jobs"]]

    newest_first = [read, *reversed(ids)]
    assert listed("") == newest_first
    assert listed("task=ocr") == [read]
    assert listed("status=cancelled") == ids[:1]
    assert listed("status=queued&task=echo") == ids[:0:-1]
    assert listed("status=succeeded") == []
    assert listed("task=nosuch") == []
    pages, query = [], "limit=3"
    while query:
        body = front.get(f"/v1/jobs?{query}").get_json()
        pages.append([job["id"] for job in body["jobs"]])
        query = f"limit=3&before={body['next']}" if body["next"] else ""
    assert pages == [newest_first[:3], newest_first[3:6], newest_first[6:]]
    assert front.get(f"/v1/jobs?before={ids[1]}").get_json() == {
        "jobs": [front.get(f"/v1/jobs/{ids[0]}").get_json()],
        "next": None,
    }


@pytest.mark.parametrize(
    ("query", "word"),
    [
        ("status=lost", "status"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=", "limit"),
        ("limit=1e2", "limit"),
        ("limit=-1", "limit"),
        ("limit=٣", "limit"),
        (f"limit={'9' * 5000}", "limit"),
    ],
)
def test_a_wrong_filter_is_named(front: FlaskClient, query: str, word: str) -> None:
    refused(front.get(f"/v1/jobs?{query}"), 400, f"{word}: ")


# Cancel.


def test_a_queued_job_is_cancelled_at_once(front: FlaskClient) -> None:
    job_id = front.post("/v1/jobs", json={"task": "echo"}).get_json()["id"]
    answer = front.delete(f"/v1/jobs/{job_id}")
    assert (answer.status_code, answer.get_json()) == (200, {"id": job_id, "cancelled": True, "status": "cancelled"})
    record = front.get(f"/v1/jobs/{job_id}").get_json()
    assert (record["status"], record["code"], record["attempts"]) == ("cancelled", "cancelled", 0)
    again = front.delete(f"/v1/jobs/{job_id}").get_json()
    assert again == {"id": job_id, "cancelled": False, "status": "cancelled"}


# Retry.


def test_a_job_that_waits_cannot_be_tried_again(front: FlaskClient) -> None:
    queued = front.post("/v1/jobs", json={"task": "echo"}).get_json()["id"]
    refused(front.post(f"/v1/jobs/{queued}/retry"), 404, queued)


# Names.


@pytest.mark.parametrize(
    "name",
    [
        *["0" * 24, "a" * 23, "a" * 25, "a" * 5000, "A" * 24, "0" * 24 + "%0a", "0" * 24 + ".json", "0" * 24 + "%20"],
        *["%00", "a%00b", "..", "%2e%2e", "%ed%a0%80", "é", "*", "%5c..%5c", "~", "-"],
    ],
)
def test_a_name_that_is_no_job_is_404_in_json(front: FlaskClient, name: str) -> None:
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/retry"), ("GET", "/events")):
        body = refused(front.open(f"/v1/jobs/{name}{path}", method=method), 404, "no ")
        assert body["code"] == "unknown_job"


@pytest.mark.parametrize("path", ["..%2f..%2fetc%2fpasswd", "a/b", "/", "/x", "%2e%2e/%2e%2e/launcher.json"])
def test_a_path_leads_nowhere(front: FlaskClient, path: str) -> None:
    for method in ("GET", "DELETE", "POST"):
        refused(front.open(f"/v1/jobs/{path}", method=method), 404)
