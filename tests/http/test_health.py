"""`/health`, `/ready`, and what every answer carries."""

from __future__ import annotations

import shutil

import pytest
import requests
from flask.testing import FlaskClient

from tests.http.conftest import Make
from tests.support.running_farm import RunningFarm

#: More MiB of free space than FARM_MIN_FREE_MB can ask for.
ENDLESS = 1_000_000


def test_health_is_one_word_while_the_front_lives(live: RunningFarm) -> None:
    answer = requests.get(f"{live.url}/health", timeout=10)
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_health_needs_no_worker(idle: RunningFarm) -> None:
    assert idle.get("/health") == (200, {"status": "ok"})


def test_ready_shows_the_figures(live: RunningFarm) -> None:
    status, body = live.get("/ready")
    assert status == 200
    assert body["status"] == "ready"
    assert body["workers"] == 2
    assert {name for name, value in body.items() if isinstance(value, int)} == {"workers", "queued", "running", "dead"}
    assert "error" not in body


def test_ready_is_503_without_workers_and_counts_what_waits(idle: RunningFarm) -> None:
    before = idle.get("/ready")[1]["queued"]
    idle.post("/v1/jobs", {"task": "echo"})
    answer = requests.get(f"{idle.url}/ready", timeout=10)
    assert answer.status_code == 503
    body = answer.json()
    assert (body["status"], body["workers"], body["queued"]) == ("unready", 0, before + 1)
    assert "no worker" in body["error"]


def test_ready_is_503_when_the_disk_is_all_but_full(make: Make) -> None:
    if shutil.disk_usage("/").free >> 20 >= ENDLESS:
        pytest.skip("this disk is too big to be too full")
    answer = make(FARM_MIN_FREE_MB=ENDLESS).get("/ready")
    assert answer.status_code == 503
    assert "MiB left" in answer.get_json()["error"]


def test_every_answer_carries_the_id_of_its_request(front: FlaskClient) -> None:
    assert front.get("/health", headers={"X-Request-Id": "mine-7"}).headers["X-Request-Id"] == "mine-7"
    assert front.get("/nowhere", headers={"X-Request-Id": "mine-8"}).headers["X-Request-Id"] == "mine-8"
    made = {front.get("/health").headers["X-Request-Id"] for _ in range(5)}
    assert len(made) == 5
    assert len(front.get("/health", headers={"X-Request-Id": "x" * 5000}).headers["X-Request-Id"]) == 100


def test_no_answer_may_be_taken_for_another_type(front: FlaskClient) -> None:
    for path in ("/health", "/tyocr", "/nowhere", "/metrics"):
        assert front.get(path).headers["X-Content-Type-Options"] == "nosniff"
