"""`/v1/jobs` on a farm: submit, wait, repeat, list, cancel and retry, to the end of the job."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import requests

from tests.support.http_requests import RECORD, at_rest, files_of, refused, submit
from tests.support.pictures import grain, text_of
from tests.support.running_farm import RunningFarm, until


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


# Submit and look.


def test_a_job_is_accepted_done_and_shown(live: RunningFarm) -> None:
    answer = submit(live, {"task": "echo", "params": {"n": 7, "name": "é"}, "image": text_of(b"12345")})
    assert answer.status_code == 202
    body = answer.json()
    assert body == {"id": body["id"], "task": "echo", "status": "queued"}
    assert answer.headers["Location"] == f"/v1/jobs/{body['id']}"
    record = finished(live, body["id"])
    assert record.keys() == RECORD | {"result", "worker"}
    assert (record["status"], record["attempts"], record["progress"]) == ("succeeded", 1, 1.0)
    assert record["created"] <= record["started"] <= record["finished"]
    assert record["result"] == {"params": {"n": 7, "name": "é"}, "bytes": 5}
    assert live.get(answer.headers["Location"]) == (200, record)  # however often it is read


# Wait.


def test_prefer_wait_answers_200_with_the_finished_job(live: RunningFarm) -> None:
    answer = submit(live, {"task": "echo", "params": {"n": 1}}, Prefer="wait=20")
    assert answer.status_code == 200
    assert answer.json().keys() == RECORD | {"result", "worker"}
    assert answer.headers["Preference-Applied"] == "wait=20"
    assert answer.headers["Location"] == f"/v1/jobs/{answer.json()['id']}"


def test_prefer_wait_answers_200_for_a_job_that_failed_too(live: RunningFarm) -> None:
    whole = grain("PNG")
    answer = submit(live, {"task": "ocr", "image": text_of(whole[: len(whole) // 2])}, Prefer="wait=20")
    assert answer.status_code == 200
    assert answer.json().keys() == RECORD | {"error", "code", "worker"}
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


def test_8_repeats_at_once_are_one_job(idle: RunningFarm) -> None:
    headers, before = {"Idempotency-Key": uuid.uuid4().hex}, idle.get("/ready")[1]["queued"]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: submit(idle, {"task": "echo"}, **headers), range(8)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert idle.get("/ready")[1]["queued"] == before + 1


# List.


def test_the_list_shows_running_and_ended_jobs(live: RunningFarm) -> None:
    ended = submit(live, {"task": "echo"}, Prefer="wait=20").json()
    job_id = submit(live, {"task": "echo", "params": {"seconds": 60}}).json()["id"]
    until(lambda: job_id in [job["id"] for job in live.get("/v1/jobs?status=running")[1]["jobs"]], what="it to run")
    assert ended in live.get("/v1/jobs?status=succeeded&limit=1000")[1]["jobs"]
    cancel(live, job_id)
    until(lambda: job_id in [job["id"] for job in live.get("/v1/jobs?status=cancelled")[1]["jobs"]], what="its end")


# Cancel.


def test_a_running_job_is_cancelled_within_seconds_and_its_worker_lives(live: RunningFarm) -> None:
    workers = set(live.workers())
    job_id = submit(live, {"task": "echo", "params": {"seconds": 100}}).json()["id"]
    until(lambda: live.get(f"/v1/jobs/{job_id}")[1]["status"] == "running", what="it to run")
    assert cancel(live, job_id)["cancelled"] is True
    until(lambda: live.get(f"/v1/jobs/{job_id}")[1]["status"] == "cancelled", 20, what="its end")
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

    until(queued, what="the letter")
    assert (answers[-1].status_code, answers[-1].json()) == (202, {"id": failed["id"], "status": "queued"})
    assert answers[-1].headers["Location"] == path
    again = finished(live, failed["id"])
    assert (again["status"], again["attempts"]) == ("failed", 1)
    assert again["finished"] > failed["finished"]


def test_what_did_not_fail_cannot_be_tried_again(live: RunningFarm) -> None:
    record = submit(live, {"task": "echo"}, Prefer="wait=20").json()
    refused(requests.post(f"{live.url}/v1/jobs/{record['id']}/retry", timeout=10), 404, record["id"])


# After the end.


def test_nothing_is_left_of_a_job_but_its_result_and_what_it_was_asked(live: RunningFarm) -> None:
    before = at_rest(live)
    job_id = submit(live, {"task": "echo", "image": text_of(b"x")}, Prefer="wait=20").json()["id"]
    left = {f"{live.farm.results.root}/{job_id}.json", f"{live.farm.spool.done.root}/{job_id}.a0"}
    until(lambda: files_of(live) - before == left, what="a tidy spool")
