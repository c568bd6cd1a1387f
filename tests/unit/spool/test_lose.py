"""An attempt that ends without a result while its worker lives: counted when the job may be to blame."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from spoolfarm.spool.job import State
from spoolfarm.spool.lease import Lease, new_worker_id
from spoolfarm.spool.spool import Spool
from tests.support.spool_jobs import new, one, where


@pytest.fixture
def lease(spool: Spool) -> Iterator[Lease]:
    taken = Lease.take(spool.workers, spool.active, new_worker_id())
    yield taken
    taken.end()


def lose(spool: Spool, lease: Lease, *, blamed: bool) -> None:
    """Claim the one job there is, and lose it."""
    (claim,) = one(lease, spool)
    spool.lose(claim, "the actor died", "actor_died", alone=True, blamed=blamed)
    lease.drop_suspects()


def test_what_is_nobodys_fault_costs_no_attempt_however_often(spool: Spool, lease: Lease) -> None:
    job = new(durable=True)
    spool.put(job)
    for _ in range(spool.max_attempts + 2):
        lose(spool, lease, blamed=False)
    (claim,) = one(lease, spool)
    assert (claim.job.id, claim.job.attempts) == (job.id, 1)
    assert [each["reason"] for each in spool.results.lost(job.id)] == ["the actor died"] * (spool.max_attempts + 2)
    assert spool.counts.read()["lost", "echo", "actor_died"] == spool.max_attempts + 2


def test_a_job_that_may_be_to_blame_becomes_a_dead_letter(spool: Spool, lease: Lease) -> None:
    job = new()
    spool.put(job)
    for _ in range(spool.max_attempts):
        lose(spool, lease, blamed=True)
    assert where(spool, job) == f"dead/{job.id}"
    record = spool.results.get(job.id)
    assert record is not None
    assert (record["status"], record["code"]) == (State.FAILED, "worker_died")
    assert [each["attempt"] for each in record["lost"]] == [1, 2, 3]


def test_a_job_that_must_not_be_done_twice_ends_whoever_is_to_blame(spool: Spool, lease: Lease) -> None:
    job = new(tries=1)
    spool.put(job)
    lose(spool, lease, blamed=False)
    record = spool.results.get(job.id)
    assert record is not None
    assert record["code"] == "worker_died"


def test_a_job_that_was_cancelled_meanwhile_is_cancelled(spool: Spool, lease: Lease) -> None:
    job = new()
    spool.put(job)
    (claim,) = one(lease, spool)
    assert spool.cancel(job.id)
    spool.lose(claim, "the node died", "node_died", alone=True, blamed=False)
    record = spool.results.get(job.id)
    assert record is not None
    assert record["status"] == State.CANCELLED


def test_a_caller_that_waits_gets_no_log_of_what_was_nobodys_fault(spool: Spool, lease: Lease) -> None:
    job = new()
    spool.put(job)
    lose(spool, lease, blamed=False)
    assert not spool.results.lost(job.id)
