"""`/health` and `/ready` of a front without workers, and what every answer carries."""

from __future__ import annotations

from flask.testing import FlaskClient

from tests.unit.server.conftest import Make


def test_ready_is_503_when_the_disk_is_all_but_full(make: Make, too_much: int) -> None:
    answer = make(FARM_MIN_FREE_MB=too_much).get("/ready")
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
