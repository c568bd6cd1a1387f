"""A process that stands still with a lock in its hands keeps one caller waiting for a while, and supervision never."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest

from spoolfarm.errors import SpoolUnavailable
from spoolfarm.spool import spool as spool_module
from spoolfarm.spool.lock import lock
from spoolfarm.spool.spool import Spool
from tests.support.spool_jobs import bury, new, place_of, where
from tests.support.spool_tree import Elsewhere, Tree


@pytest.fixture
def stalled(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> Iterator[Elsewhere]:
    """A process that holds the locks of cancelling and retrying, and does nothing."""
    monkeypatch.setattr(spool_module, "PATIENCE", 0.01)
    held = []

    def hold() -> None:
        for name in ("cancel", "retry"):
            held.append(lock(f"{spool.workers}/{name}.lock"))
            held[-1].acquire()

    with Elsewhere(hold) as process:
        yield process


def test_a_cancel_is_refused_for_now_and_its_job_never_runs(tree: Tree, spool: Spool, stalled: Elsewhere) -> None:
    job = new(durable=True)
    tree.put(job)
    with pytest.raises(SpoolUnavailable, match="does not come to its end"):
        spool.cancel(job.id)
    tree.drive()
    assert not spool.results.exists(job.id)
    stalled.kill()
    spool.reclaim()
    assert (spool.results.get(job.id) or {})["status"] == "cancelled"


def test_supervision_goes_on_at_once(tree: Tree, spool: Spool, stalled: Elsewhere) -> None:
    half, marked, orphan = new(1), new(2), new(3)
    tree.put(half)
    os.rename(f"{place_of(spool, half)}/{half.id}.a0", f"{spool.marks}/{half.id}.a0")
    tree.orphan(marked)
    assert spool.cancel(marked.id)
    tree.orphan(orphan)
    begin = time.monotonic()
    for _ in range(20):
        spool.reclaim()
    assert time.monotonic() - begin < 5
    assert where(spool, orphan).startswith("queue/")
    stalled.kill()
    spool.reclaim()
    for job in (half, marked):
        assert (spool.results.get(job.id) or {})["status"] == "cancelled"


def test_a_retry_is_refused_for_now(spool: Spool, stalled: Elsewhere) -> None:
    job = new(durable=True)
    spool.put(job)
    bury(spool, job)
    with pytest.raises(SpoolUnavailable, match="does not come to its end"):
        spool.retry(job.id)
    stalled.kill()
    spool.retry(job.id)
    assert where(spool, job).startswith("queue/")
