"""`/v1/pause` and `/v1/resume`: what rests is told wherever one looks, and jobs are accepted all the while."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient

from spoolfarm.farm.farm import Farm
from spoolfarm.server.current import FARM
from tests.support.http_requests import refused
from tests.unit.server.conftest import Make


@pytest.fixture(scope="module")
def resting(make: Make) -> FlaskClient:
    return make(FARM_ENABLE="echo,edit")


@pytest.fixture(autouse=True)
def _resumed(resting: FlaskClient) -> Iterator[None]:
    yield
    assert resting.post("/v1/resume").get_json() == {"paused": []}


def paused(front: FlaskClient) -> list[str]:
    return [task["name"] for task in front.get("/v1/tasks").get_json()["tasks"] if task["paused"]]


def test_a_task_is_paused_and_resumed_and_told_everywhere(resting: FlaskClient) -> None:
    assert resting.post("/v1/tasks/echo/pause").get_json() == {"paused": ["echo"]}
    assert paused(resting) == ["echo"]
    assert resting.get("/ready").get_json()["paused"] == ["echo"]
    metrics = resting.get("/metrics").get_data(as_text=True)
    assert 'farm_task_paused{task="echo"} 1.0' in metrics
    assert 'farm_task_paused{task="edit"} 0.0' in metrics
    assert resting.post("/v1/tasks/echo/resume").get_json() == {"paused": []}
    assert paused(resting) == []


def test_the_whole_queue_is_paused_and_a_single_task_rests_on_with_it(resting: FlaskClient) -> None:
    assert resting.post("/v1/pause").get_json() == {"paused": ["*"]}
    assert paused(resting) == ["echo", "edit"]
    assert resting.post("/v1/tasks/echo/resume").get_json() == {"paused": ["*"]}


def test_paused_jobs_are_accepted_and_a_wait_for_one_says_why_it_is_over(resting: FlaskClient) -> None:
    resting.post("/v1/pause")
    assert resting.post("/v1/jobs", json={"task": "echo"}).status_code == 202
    answer = resting.post("/v1/run/echo", json={})
    assert refused(answer, 504, "paused: echo")["code"] == "wait_timeout"
    assert resting.get(answer.headers["Location"]).get_json()["status"] == "queued"


def test_a_pause_makes_no_farm_unready(resting: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    resting.post("/v1/pause")
    monkeypatch.setattr(Farm, "workers", lambda _: [{"tasks": ["echo"], "worker": "w", "pid": 1}])
    answer = resting.get("/ready")
    assert (answer.status_code, answer.get_json()["paused"]) == (200, ["*"])


def test_an_unknown_task_is_not_paused(resting: FlaskClient) -> None:
    assert refused(resting.post("/v1/tasks/nosuch/pause"), 404, "nosuch")["code"] == "unknown_task"
    assert resting.application.extensions[FARM].pauses.names() == []


def test_another_site_pauses_nothing_and_without_the_key_nobody_does(make: Make, resting: FlaskClient) -> None:
    refused(resting.post("/v1/pause", headers={"Origin": "http://elsewhere.example"}), 403, "elsewhere.example")
    keyed = make(FARM_API_KEY="secret")
    refused(keyed.post("/v1/pause"), 401, "key")
    assert keyed.post("/v1/pause", headers={"X-API-Key": "secret"}).status_code == 200
