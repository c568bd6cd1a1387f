"""`/v1/run/<task>` where there is no task, no worker or no room."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from tests.support.http_requests import refused
from tests.support.running_farm import until
from tests.unit.server.conftest import Make


def test_the_address_names_the_task(front: FlaskClient) -> None:
    assert refused(front.post("/v1/run/nosuch", json={}), 404, "nosuch", "echo")["code"] == "unknown_task"
    refused(front.post("/v1/run/echo", json={"task": "ocr"}), 400, "task: the address says echo, the body ocr")
    assert front.post("/v1/run/echo", json={"task": "echo"}).status_code == 504  # there is no worker


@pytest.mark.parametrize("face", ["/v1/jobs", "/v1/run/echo"])
def test_a_full_queue_is_503_with_a_time_to_come_back(make: Make, face: str) -> None:
    front = make(FARM_MAX_QUEUED=3)
    ids = [front.post("/v1/jobs", json={"task": "echo"}).get_json()["id"] for _ in range(3)]
    answer = front.post(face, json={"task": "echo"})
    assert refused(answer, 503, "3 jobs are waiting")["code"] == "spool_full"
    assert answer.headers["Retry-After"].isdecimal()
    assert int(answer.headers["Retry-After"]) >= 1
    front.delete(f"/v1/jobs/{ids[0]}")
    until(lambda: front.post("/v1/jobs", json={"task": "echo"}).status_code == 202, what="room")


def test_a_full_queue_still_answers_a_repeat_with_its_first_job(make: Make) -> None:
    front, headers = make(FARM_MAX_QUEUED=1), {"Idempotency-Key": "one"}
    first = front.post("/v1/jobs", json={"task": "echo"}, headers=headers).get_json()
    assert front.post("/v1/jobs", json={"task": "echo"}).status_code == 503
    assert front.post("/v1/jobs", json={"task": "echo"}, headers=headers).get_json()["id"] == first["id"]


def test_a_key_that_came_when_there_was_no_room_starts_a_job_later(make: Make) -> None:
    front, headers = make(FARM_MAX_QUEUED=1), {"Idempotency-Key": "one"}
    first = front.post("/v1/jobs", json={"task": "echo"}).get_json()["id"]
    assert front.post("/v1/jobs", json={"task": "echo"}, headers=headers).status_code == 503
    front.delete(f"/v1/jobs/{first}")
    until(lambda: front.post("/v1/jobs", json={"task": "echo"}, headers=headers).status_code == 202, what="room")


@pytest.mark.parametrize("face", ["/v1/jobs", "/v1/run/echo"])
def test_a_disk_that_is_all_but_full_takes_nothing_new(make: Make, face: str, too_much: int) -> None:
    front = make(FARM_MIN_FREE_MB=too_much)
    answer = front.post(face, json={"task": "echo"})
    assert refused(answer, 503, "MiB left")["code"] == "spool_unavailable"
    assert answer.headers["Retry-After"].isdecimal()
    assert front.get("/v1/jobs").get_json()["jobs"] == []
