"""`/health`, `/ready` and `/metrics` of a farm."""

from __future__ import annotations

import requests

from tests.support.metric_samples import figures
from tests.support.running_farm import RunningFarm


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


def test_the_metrics_show_queue_workers_and_disk(live: RunningFarm) -> None:
    answer = requests.get(f"{live.url}/metrics", timeout=10)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    shown = figures(answer.text)
    assert shown["farm_workers_ready",] == 2
    assert shown["farm_jobs_running",] == 0
    assert shown["farm_spool_free_bytes",] > 0
    assert shown["farm_dead_letters",] == len(live.farm.spool.dead.ids())
