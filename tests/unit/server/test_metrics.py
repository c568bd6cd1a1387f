"""`/metrics` and `/v1/tasks`: what the farm says of itself."""

from __future__ import annotations

from flask.testing import FlaskClient

from tests.support.metric_samples import figures
from tests.unit.server.conftest import Make


def test_the_metrics_count_what_waits_by_task(make: Make) -> None:
    front = make()
    for _ in range(3):
        front.post("/v1/jobs", json={"task": "echo"})
    shown = figures(front.get("/metrics").text)
    assert shown["farm_jobs_queued", "echo"] == 3
    assert shown["farm_workers_ready",] == 0


def test_the_metrics_count_requests_by_face_and_status(make: Make) -> None:
    front = make()
    for path in ("/health", "/health", "/nowhere", "/v1/jobs/1", "/v1/jobs/2", "/v1/other/thing"):
        front.get(path)
    shown = figures(front.get("/metrics").text)
    assert shown["farm_http_requests_total", "/health", "200"] == 2
    assert shown["farm_http_requests_total", "/v1/jobs/<job_id>", "404"] == 2
    assert shown["farm_http_requests_total", "unknown", "404"] == 2  # no client can make up a label
    assert shown["farm_http_request_seconds_count", "/health"] == 2


def test_every_task_is_listed_with_the_schema_of_its_parameters(front: FlaskClient) -> None:
    tasks = {task["name"]: task for task in front.get("/v1/tasks").get_json()["tasks"]}
    assert {"echo", "ocr"} <= tasks.keys()
    for task in tasks.values():
        assert task.keys() == {"name", "description", "params", "min_images", "max_images", "lane", "paused"}
        assert task["description"]
        assert task["params"]["type"] == "object"
    assert tasks["echo"]["params"]["properties"]["seconds"]["minimum"] == 0
    assert (tasks["ocr"]["min_images"], tasks["ocr"]["max_images"]) == (1, 1)
