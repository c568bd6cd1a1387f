"""`/v1/bulk` and `/v1/changes`: many jobs at once, and what changes among them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from spoolfarm.farm.farm import Farm
from spoolfarm.server.current import FARM
from spoolfarm.spool.job import Job, Result, State, new_id
from tests.support.front_client import front_client
from tests.support.http_requests import refused
from tests.support.spool_jobs import bury


@pytest.fixture
def front(tmp_path: Path) -> Iterator[FlaskClient]:
    """A front of its own: these tests act on all jobs that there are."""
    with front_client(tmp_path, FARM_MAX_QUEUED=4, FARM_FRONT_THREADS=8) as client:
        yield client


def farm_of(front: FlaskClient) -> Farm:
    found = front.application.extensions[FARM]
    assert isinstance(found, Farm)
    return found


def fail(farm: Farm, count: int, task: str = "echo") -> list[str]:
    """Make dead letters of *task*; their ids, the oldest first."""
    made = []
    for _ in range(count):
        job = Job("echo", durable=True, priority=0)
        farm.spool.put(job)
        bury(farm.spool, job)
        made.append(job.id)
        if task != "echo":  # as it was called before it was taken away
            reason = Path(farm.spool.dead.path(job.id), "reason.json")
            farm.results.remove(job.id)
            end(farm, job.id, task=task, status=State.FAILED, error="no", code="task_error")
            assert reason.exists()
    return made


def end(farm: Farm, job_id: str, **fields: Any) -> str:
    fields = {"status": State.SUCCEEDED, "task": "echo", "result": 1, **fields}
    farm.results.publish(Result(id=job_id, attempts=1, created=1.0, started=1.0, finished=2.0, **fields), sync=True)
    return job_id


def act(front: FlaskClient, action: str, meant: dict[str, Any], **more: Any) -> dict[str, Any]:
    answer = front.post("/v1/bulk", json={"action": action, "filter": meant, **more})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.get_json()
    return found


def test_failed_jobs_are_counted_and_then_those_that_were_counted_are_queued_again(front: FlaskClient) -> None:
    farm = farm_of(front)
    good, gone = fail(farm, 3), fail(farm, 2, task="readings")
    plain = end(farm, new_id(), status=State.FAILED, error="no", code="x")
    count = act(front, "retry", {}, dry_run=True)
    assert (count["matched"], count["done"], count["next"]) == (6, 3, None)
    reasons = {each["reason"]: (each["count"], each["ids"]) for each in count["refused"]}
    assert reasons["task 'readings' is gone"] == (2, gone[::-1])
    [(other, (one, ids))] = [each for each in reasons.items() if "readings" not in each[0]]
    assert ("no dead letter" in other, one, ids) == (True, 1, [plain])
    assert not any(farm.spool.count().values())
    later = fail(farm, 1)[0]
    done = act(front, "retry", {}, before=count["before"])
    assert (done["matched"], done["done"]) == (6, 3)
    assert {farm.record(each)["status"] for each in good} == {"queued"}
    assert farm.record(later)["status"] == "failed"


def test_an_act_stops_at_its_limit_and_goes_on_from_there(front: FlaskClient) -> None:
    farm = farm_of(front)
    ids = [farm.submit("echo").id for _ in range(3)]
    first = act(front, "cancel", {"task": "echo"}, limit=2)
    assert (first["matched"], first["done"]) == (2, 2)
    rest = act(front, "cancel", {"task": "echo"}, limit=2, before=first["next"])
    assert (rest["matched"], rest["done"], rest["next"]) == (1, 1, None)
    assert {farm.record(each)["status"] for each in ids} == {"cancelled"}
    assert act(front, "cancel", {})["matched"] == 0


def test_deleting_takes_results_and_dead_letters_and_leaves_what_waits(front: FlaskClient) -> None:
    farm = farm_of(front)
    dead, waits = fail(farm, 1)[0], farm.submit("echo").id
    ended = [end(farm, new_id()) for _ in range(3)]
    assert act(front, "delete", {"status": "succeeded", "id": ended[0]})["done"] == 1
    assert act(front, "delete", {}, dry_run=True)["done"] == 3
    assert act(front, "delete", {})["done"] == 3
    assert [record["id"] for record in farm.jobs()] == [waits]
    assert farm.dead_letters() == {}
    for job_id in (dead, *ended):
        refused(front.get(f"/v1/jobs/{job_id}"), 404, "no job")


def test_a_full_queue_takes_what_fits(front: FlaskClient) -> None:
    farm = farm_of(front)
    fail(farm, 6)
    done = act(front, "retry", {})
    assert (done["matched"], done["done"]) == (6, 4)
    assert [(each["reason"], each["count"]) for each in done["refused"]] == [("the queue is full", 2)]


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({}, "action"),
        ({"action": "explode", "filter": {}}, "action"),
        ({"action": "retry"}, "filter"),
        ({"action": "retry", "filter": {"state": "failed"}}, "filter"),
        ({"action": "retry", "filter": {"status": "lost"}}, "status"),
        ({"action": "retry", "filter": {"status": "succeeded"}}, "status: retry is for jobs that are failed"),
        ({"action": "cancel", "filter": {"status": "failed"}}, "queued and running"),
        ({"action": "delete", "filter": {"since": "x"}}, "since"),
        ({"action": "delete", "filter": {}, "limit": 0}, "limit"),
        ({"action": "delete", "filter": {}, "limit": 10_001}, "limit"),
        ({"action": "delete", "filter": {}, "dry_run": "no"}, "dry_run"),
        ({"action": "delete", "filter": {}, "before": 5}, "before"),
    ],
)
def test_an_act_that_is_unclear_is_refused_by_name(front: FlaskClient, body: Any, word: str) -> None:
    refused(front.post("/v1/bulk", json=body), 400, word)
    refused(front.post("/v1/bulk", data="{}"), 415)


def test_whoever_listens_hears_of_jobs_that_come_and_end(front: FlaskClient) -> None:
    farm = farm_of(front)
    heard = front.get("/v1/changes", buffered=False)
    events = iter(heard.response)
    assert said(next(events)) == {"queued": {}, "running": 0, "dead": 0, "workers": 0}
    job_id = farm.submit("echo").id
    assert any(said(next(events))["queued"] == {"echo": 1} for _ in range(5))
    farm.cancel(job_id)
    assert any(not said(next(events))["queued"].get("echo") for _ in range(5))
    heard.close()


def said(event: str | bytes) -> dict[str, Any]:
    text = event if isinstance(event, str) else event.decode()
    assert text.startswith("event: farm\ndata: "), text
    found: dict[str, Any] = json.loads(text.partition("data: ")[2])
    return found


def test_more_listeners_than_a_front_has_threads_for_are_told_to_come_again(front: FlaskClient) -> None:
    first, second = (front.get("/v1/changes", buffered=False) for _ in range(2))
    assert refused(front.get("/v1/changes"), 503)["code"] == "too_many_clients"
    second.close()
    with front.get("/v1/changes", buffered=False) as third:
        assert third.status_code == 200
    first.close()
