"""`/v1/jobs/{id}/events`: who follows a job hears of it until its end, and goes on where a stream broke off."""

from __future__ import annotations

import json
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import requests

from tests.support.http_requests import submit
from tests.support.running_farm import RunningFarm, until


def events(
    farm: RunningFarm, job_id: str, last: str | None = None
) -> Generator[tuple[str, Any, str | None], None, None]:
    """The events of a job as (name, data, id); a sign of life has no name."""
    headers = {} if last is None else {"Last-Event-ID": last}
    url = f"{farm.url}/v1/jobs/{job_id}/events"
    with requests.get(url, headers=headers, stream=True, timeout=20) as answer:
        assert answer.status_code == 200
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        assert answer.headers["Cache-Control"] == "no-store"
        fields: dict[str, str] = {}
        for line in answer.iter_lines(chunk_size=1):
            name, _, value = line.decode().partition(": ")
            if line:
                fields[name.rstrip(":")] = value
            else:
                yield fields.get("event", ""), json.loads(fields.get("data", "null")), fields.get("id")
                fields = {}


def told(farm: RunningFarm, job_id: str, last: str | None = None) -> list[tuple[str, Any, str | None]]:
    """All events of a job but the signs of life."""
    return [event for event in events(farm, job_id, last) if event[0]]


def test_a_follower_hears_status_progress_and_end(live: RunningFarm) -> None:
    job_id = submit(live, {"task": "echo", "params": {"seconds": 0.5}}).json()["id"]
    heard = told(live, job_id)
    names = [name for name, _, _ in heard]
    statuses = [data["status"] for name, data, _ in heard if name == "status"]
    assert "running" in statuses
    assert statuses == [each for each in ("queued", "running", "succeeded") if each in statuses]
    progress = [data["progress"] for name, data, _ in heard if name == "progress"]
    assert progress == sorted(progress)
    assert len(progress) >= 2
    assert names[-1] == "end"
    assert names.count("end") == 1
    assert heard[-1][1] == live.get(f"/v1/jobs/{job_id}")[1]


def test_a_follower_who_lost_the_stream_goes_on_where_it_broke_off(live: RunningFarm) -> None:
    job_id = submit(live, {"task": "echo", "params": {"seconds": 1}}).json()["id"]
    first: list[tuple[float, str | None]] = []
    stream = events(live, job_id)
    while len(first) < 2:
        name, data, number = next(stream)
        if name == "progress":
            first.append((data["progress"], number))
    stream.close()
    rest = [(data["progress"], number) for name, data, number in told(live, job_id, first[-1][1]) if name == "progress"]
    whole = [(data["progress"], number) for name, data, number in told(live, job_id) if name == "progress"]
    assert rest
    assert first + rest == whole


def test_the_events_of_an_ended_job_end_at_once(live: RunningFarm) -> None:
    record = submit(live, {"task": "echo"}, Prefer="wait=20").json()
    assert told(live, record["id"])[-1][:2] == ("end", record)
    assert told(live, record["id"], str(10**12)) == [("end", record, None)]  # a place after the end


def test_who_follows_a_job_that_waits_gets_signs_of_life(idle: RunningFarm) -> None:
    job_id = submit(idle, {"task": "echo"}).json()["id"]
    stream = events(idle, job_id)
    assert next(stream)[:2] == ("status", {"status": "queued"})
    assert next(stream)[0] == ""
    stream.close()


def test_the_events_of_a_synchronous_call_end_when_its_result_is_taken(live: RunningFarm) -> None:
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(live.post, "/v1/run/echo", {"params": {"seconds": 1, "mark": "followed"}})
        [job] = until(lambda: live.get("/v1/jobs?status=running")[1]["jobs"], what="it to run")
        names = {name for name, _, _ in told(live, job["id"])}
        assert call.result()[0] == 200
    assert names <= {"status", "progress", "end"}
    assert "progress" in names
