"""`/v1/jobs`: submit, look, wait, list, cancel, retry, and the headers that go with them."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
from flask.testing import FlaskClient

from spoolfarm.server.current import FARM
from spoolfarm.spool.job import Job
from tests.http.conftest import Make
from tests.support.http_requests import at_rest, files_of, multipart, refused, submit
from tests.support.pictures import grain, small, text_of
from tests.support.running_farm import RunningFarm, until

RECORD = {"id", "task", "status", "attempts", "created", "started", "finished", "progress"}


def cancel(farm: RunningFarm, job_id: str) -> dict[str, Any]:
    """DELETE a job."""
    answer = requests.delete(f"{farm.url}/v1/jobs/{job_id}", timeout=10)
    assert answer.status_code == 200
    body: dict[str, Any] = answer.json()
    return body


def finished(farm: RunningFarm, job_id: str) -> dict[str, Any]:
    """The record of a job, once it has ended."""
    record: dict[str, Any] = {}

    def over() -> bool:
        record.update(farm.get(f"/v1/jobs/{job_id}")[1])
        return record["status"] in ("succeeded", "failed", "cancelled")

    until(over, what=f"job {job_id} to end")
    return record


def kept(front: FlaskClient, job_id: str) -> Job:
    """The queued job as it lies in the spool."""
    entry = front.application.extensions[FARM].spool.find(job_id)
    with open(entry.path, "rb") as file:
        return Job.from_bytes(file.read())


# Submit and look.


def test_a_job_is_accepted_done_and_shown(live: RunningFarm) -> None:
    answer = submit(live, {"task": "echo", "params": {"n": 7, "name": "é"}, "image": text_of(b"12345")})
    assert answer.status_code == 202
    body = answer.json()
    assert body == {"id": body["id"], "task": "echo", "status": "queued"}
    assert answer.headers["Location"] == f"/v1/jobs/{body['id']}"
    record = finished(live, body["id"])
    assert record.keys() == RECORD | {"result"}
    assert (record["status"], record["attempts"], record["progress"]) == ("succeeded", 1, 1.0)
    assert record["created"] <= record["started"] <= record["finished"]
    assert record["result"] == {"params": {"n": 7, "name": "é"}, "bytes": 5}
    assert live.get(answer.headers["Location"]) == (200, record)  # however often it is read


def test_a_queued_job_is_shown_as_it_waits(front: FlaskClient) -> None:
    job_id = front.post("/v1/jobs", json={"task": "echo"}).get_json()["id"]
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


def test_prefer_wait_answers_200_with_the_finished_job(live: RunningFarm) -> None:
    answer = submit(live, {"task": "echo", "params": {"n": 1}}, Prefer="wait=20")
    assert answer.status_code == 200
    assert answer.json().keys() == RECORD | {"result"}
    assert answer.headers["Preference-Applied"] == "wait=20"
    assert answer.headers["Location"] == f"/v1/jobs/{answer.json()['id']}"


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


def test_prefer_wait_answers_200_for_a_job_that_failed_too(live: RunningFarm) -> None:
    whole = grain("PNG")
    answer = submit(live, {"task": "ocr", "image": text_of(whole[: len(whole) // 2])}, Prefer="wait=20")
    assert answer.status_code == 200
    assert answer.json().keys() == RECORD | {"error", "code"}
    assert (answer.json()["status"], answer.json()["code"]) == ("failed", "broken_image")


def test_prefer_wait_answers_202_with_the_record_when_the_time_is_over(idle: RunningFarm) -> None:
    answer = submit(idle, {"task": "echo"}, Prefer="respond-async, wait=0.3")
    assert answer.status_code == 202
    assert answer.json().keys() == RECORD
    assert answer.json()["status"] == "queued"
    assert 0.3 <= answer.elapsed.total_seconds() < 1.5
    assert answer.headers["Location"] == f"/v1/jobs/{answer.json()['id']}"


def test_a_look_waits_too_when_asked_to(live: RunningFarm) -> None:
    path = submit(live, {"task": "echo", "params": {"seconds": 0.5}}).headers["Location"]
    early = requests.get(f"{live.url}{path}", headers={"Prefer": "wait=0.1"}, timeout=10)
    assert (early.status_code, early.json()["status"]) == (200, "running")
    ended = requests.get(f"{live.url}{path}", headers={"Prefer": "wait=10"}, timeout=20)
    assert (ended.status_code, ended.json()["status"]) == (200, "succeeded")
    assert ended.elapsed.total_seconds() < 5


def test_nobody_waits_for_a_job_that_is_none(front: FlaskClient) -> None:
    for name in ("0" * 24, "x"):
        refused(front.get(f"/v1/jobs/{name}", headers={"Prefer": "wait=600"}), 404, "no job")


def test_a_preference_nobody_understands_is_ignored(front: FlaskClient) -> None:
    for preference in ("wait", "wait=", "wait=soon", "wait=-1", "wait=1e9", "return=minimal", ","):
        answer = front.post("/v1/jobs", json={"task": "echo"}, headers={"Prefer": preference})
        assert (answer.status_code, answer.get_json()["status"]) == (202, "queued")
        assert "Preference-Applied" not in answer.headers


# Idempotency-Key.


def test_a_repeat_with_the_same_key_is_the_first_job(live: RunningFarm) -> None:
    key, body = uuid.uuid4().hex, {"task": "echo", "params": {"n": 1}, "image": text_of(b"x")}
    first = submit(live, body, **{"Idempotency-Key": key}).json()
    finished(live, first["id"])
    repeat = submit(live, body, **{"Idempotency-Key": key})
    assert repeat.status_code == 200
    assert (repeat.json()["id"], repeat.json()["status"]) == (first["id"], "succeeded")
    assert repeat.headers["Location"] == f"/v1/jobs/{first['id']}"
    waited = submit(live, body, **{"Idempotency-Key": key, "Prefer": "wait=5"})
    assert (waited.status_code, waited.json()) == (200, repeat.json())


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


def test_8_repeats_at_once_are_one_job(idle: RunningFarm) -> None:
    headers, before = {"Idempotency-Key": uuid.uuid4().hex}, idle.get("/ready")[1]["queued"]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: submit(idle, {"task": "echo"}, **headers), range(8)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert idle.get("/ready")[1]["queued"] == before + 1


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


def test_the_list_shows_running_and_ended_jobs(live: RunningFarm) -> None:
    ended = submit(live, {"task": "echo"}, Prefer="wait=20").json()
    job_id = submit(live, {"task": "echo", "params": {"seconds": 60}}).json()["id"]
    until(lambda: job_id in [job["id"] for job in live.get("/v1/jobs?status=running")[1]["jobs"]], what="it to run")
    assert ended in live.get("/v1/jobs?status=succeeded&limit=1000")[1]["jobs"]
    cancel(live, job_id)
    until(lambda: job_id in [job["id"] for job in live.get("/v1/jobs?status=cancelled")[1]["jobs"]], what="its end")


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


def test_a_running_job_is_cancelled_within_seconds_and_its_worker_lives(live: RunningFarm) -> None:
    workers = set(live.workers())
    job_id = submit(live, {"task": "echo", "params": {"seconds": 600}}).json()["id"]
    until(lambda: live.get(f"/v1/jobs/{job_id}")[1]["status"] == "running", what="it to run")
    assert cancel(live, job_id)["cancelled"] is True
    until(lambda: live.get(f"/v1/jobs/{job_id}")[1]["status"] == "cancelled", 5, what="its end")
    assert set(live.workers()) == workers


def test_an_ended_job_cannot_be_cancelled(live: RunningFarm) -> None:
    record = submit(live, {"task": "echo"}, Prefer="wait=20").json()
    assert cancel(live, record["id"]) == {"id": record["id"], "cancelled": False, "status": "succeeded"}
    assert live.get(f"/v1/jobs/{record['id']}")[1] == record


# Retry.


def test_a_job_that_failed_for_good_can_be_queued_again(live: RunningFarm) -> None:
    whole = grain("PNG")
    failed = submit(live, {"task": "ocr", "image": text_of(whole[: len(whole) // 2])}, Prefer="wait=20").json()
    path = f"/v1/jobs/{failed['id']}"
    answers = []

    def queued() -> bool:  # the result is seen a moment before the letter is
        answers.append(requests.post(f"{live.url}{path}/retry", timeout=10))
        return answers[-1].status_code != 404

    until(queued, 5, what="the letter")
    assert (answers[-1].status_code, answers[-1].json()) == (202, {"id": failed["id"], "status": "queued"})
    assert answers[-1].headers["Location"] == path
    again = finished(live, failed["id"])
    assert (again["status"], again["attempts"]) == ("failed", 1)
    assert again["finished"] > failed["finished"]


def test_what_did_not_fail_cannot_be_tried_again(live: RunningFarm, front: FlaskClient) -> None:
    record = submit(live, {"task": "echo"}, Prefer="wait=20").json()
    refused(requests.post(f"{live.url}/v1/jobs/{record['id']}/retry", timeout=10), 404, record["id"])
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


def test_nothing_is_left_of_a_job_but_its_result(live: RunningFarm) -> None:
    before = at_rest(live)
    job_id = submit(live, {"task": "echo", "image": text_of(b"x")}, Prefer="wait=20").json()["id"]
    until(lambda: files_of(live) - before == {f"{live.farm.results.root}/{job_id}.json"}, what="a tidy spool")
