"""Jobs under way: put, finished, withdrawn, lost."""

from __future__ import annotations

import time
from typing import Any

import pytest

from spoolfarm.errors import JobFailed
from spoolfarm.farm import in_flight
from spoolfarm.farm.farm import Farm
from spoolfarm.farm.in_flight import InFlight
from spoolfarm.spool.job import Job, Result, State
from spoolfarm.spool.lease import Lease, new_worker_id
from tests.support.running_farm import until


def finish(farm: Farm, **outcome: Any) -> int:
    """End all queued jobs as a worker does; how many there were."""
    lease = Lease.take(farm.spool.workers, farm.spool.active, new_worker_id())
    cursor, ended = farm.spool.cursor(["echo"]), 0
    while claims := farm.spool.claim(lease, cursor, lambda _: 10):
        for claim in claims:
            now, job = time.time(), claim.job
            fields = {"status": State.SUCCEEDED, "result": job.params["n"], **outcome}
            farm.spool.finish(
                claim, Result(job.id, "echo", attempts=1, created=job.created, started=now, finished=now, **fields)
            )
            ended += 1
    lease.end()
    return ended


def put(farm: Farm, flying: InFlight[int], count: int) -> list[Job]:
    jobs = [farm.prepare("echo", [], {"n": number}) for number in range(count)]
    for number, job in enumerate(jobs):
        flying.put(job, number)
    return jobs


def test_each_record_comes_once_with_what_it_is_for_and_leaves_nothing(farm: Farm) -> None:
    with InFlight[int](farm.spool, farm.put) as flying:
        put(farm, flying, 5)
        finish(farm)
        found: list[tuple[int, Any]] = []
        while len(flying):
            found += [(item, record["result"]) for item, record in flying.finished()]
    assert sorted(found) == [(number, number) for number in range(5)]
    assert farm.results.ids() == []


def test_the_files_of_a_result_are_there_while_its_record_is_looked_at(farm: Farm) -> None:
    with InFlight[int](farm.spool, farm.put) as flying:
        put(farm, flying, 1)
        finish(farm, files={"a.txt": b"attached"})
        for _, record in flying.finished():
            path = farm.results.file(record["id"], "a.txt")
            assert path.read_bytes() == b"attached"
    assert not path.exists()


def test_who_leaves_early_cancels_what_is_queued(farm: Farm) -> None:
    with InFlight[int](farm.spool, farm.put) as flying:
        put(farm, flying, 3)
    assert farm.spool.count() == {"echo": 0}
    assert farm.results.ids() == []


def test_withdrawn_are_those_that_no_worker_has(farm: Farm) -> None:
    lease = Lease.take(farm.spool.workers, farm.spool.active, new_worker_id())
    with InFlight[int](farm.spool, farm.put) as flying:
        first, _ = put(farm, flying, 2)
        [claim] = farm.spool.claim(lease, farm.spool.cursor(["echo"]), lambda _: 1)
        flying.withdraw()
        assert [(item, record["status"]) for item, record in flying.finished()] == [(1, "cancelled")]
        assert len(flying) == 1
        assert not farm.spool.marked(first.id)
        result = Result(first.id, "echo", State.SUCCEEDED, 1, first.created, claim.started, time.time(), 7)
        farm.spool.finish(claim, result)
        assert [record["result"] for _, record in flying.finished()] == [7]
    lease.end()


def test_a_result_that_somebody_else_removed_is_a_failure_and_no_endless_wait(
    farm: Farm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(in_flight, "LOST", 0.0)
    with InFlight[int](farm.spool, farm.put) as flying:
        lost, _ = put(farm, flying, 2)
        [claim] = farm.spool.claim(
            lease := Lease.take(farm.spool.workers, farm.spool.active, new_worker_id()),
            farm.spool.cursor(["echo"]),
            lambda _: 1,
        )
        result = Result(lost.id, "echo", State.SUCCEEDED, 1, lost.created, claim.started, time.time(), 7)
        farm.spool.finish(claim, result)
        farm.results.remove(lost.id)
        lease.end()
        [(item, record)] = until(lambda: list(flying.finished()))
        assert (item, record["status"], record["code"]) == (0, "failed", "unknown_job")
        assert len(flying) == 1


def test_a_map_goes_on_when_a_result_was_removed_unread(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_flight, "LOST", 0.0)
    monkeypatch.setattr(farm.results, "arrived", lambda *_: [])
    monkeypatch.setattr(farm.spool, "find", lambda _: None)
    [(item, error)] = list(farm.map("echo", [b"x"], return_exceptions=True))
    assert item == b"x"
    assert isinstance(error, JobFailed)
    assert error.code == "unknown_job"
