"""`/v1/jobs/{id}/events`: the place from which they go on."""

from __future__ import annotations

from flask.testing import FlaskClient

from spoolfarm.server.current import FARM
from tests.support.http_requests import refused


def test_a_place_in_the_events_that_is_none_is_refused(front: FlaskClient) -> None:
    job_id = front.post("/v1/jobs", json={"task": "echo"}).get_json()["id"]
    for last in ("x", "-1", "1.5", "٣", str(2**70), "9" * 5000):
        answer = front.get(f"/v1/jobs/{job_id}/events", headers={"Last-Event-ID": last})
        refused(answer, 400, "Last-Event-ID: must be")


def test_a_place_in_the_middle_of_a_line_goes_on_with_the_next_line(front: FlaskClient) -> None:
    job_id = front.post("/v1/jobs", json={"task": "echo"}).get_json()["id"]
    results = front.application.extensions[FARM].results
    for word in ("one", "two", "three"):
        results.write_log(job_id, log=word)
    front.delete(f"/v1/jobs/{job_id}")

    def heard(last: int | str) -> list[str]:
        text = front.get(f"/v1/jobs/{job_id}/events", headers={"Last-Event-ID": str(last)}).text
        return [word for word in ("one", "two", "three", "event: end") if word in text]

    assert heard("") == heard(0) == ["one", "two", "three", "event: end"]
    assert heard(5) == ["two", "three", "event: end"]
    assert heard(10_000) == ["event: end"]
