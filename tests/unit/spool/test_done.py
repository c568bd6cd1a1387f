"""Done jobs: what was submitted is kept while there is room, and never at the cost of a job."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from spoolfarm.spool import done
from spoolfarm.spool.job import Job
from spoolfarm.spool.lease import Lease, new_worker_id
from spoolfarm.spool.results import Results
from spoolfarm.spool.spool import Spool
from tests.support.spool_jobs import one
from tests.support.spool_tree import succeeded


def spool_of(path: Path, keep_mb: int = 1) -> Spool:
    return Spool(str(path / "spool"), Results(str(path / "results")), keep_mb=keep_mb)


def run(spool: Spool, **fields: Any) -> Job:
    """Have a job come to a good end."""
    job = Job("echo", {"n": 1}, **{"images": [b"picture"], "durable": True, **fields})
    spool.put(job)
    lease = Lease.take(spool.workers, spool.active, new_worker_id())
    (claim,) = one(lease, spool)
    spool.finish(claim, succeeded(claim, 1))
    lease.end()
    return job


def kept(spool: Spool) -> list[str]:
    return sorted(name[:24] for name in os.listdir(spool.done.root))


def test_a_job_that_succeeded_or_was_cancelled_can_be_read_back(tmp_path: Path) -> None:
    spool = spool_of(tmp_path)
    job, other = run(spool), Job("echo", images=[b"other"], durable=True)
    spool.put(other)
    spool.cancel(other.id)
    for each in (job, other):
        file = spool.done.find(each.id)
        assert file is not None
        assert file.job().images == each.images
    spool.forget(other.id)
    assert kept(spool) == [job.id]


@pytest.mark.parametrize("fields", [{"durable": False}, {"source": "inbox"}, {"source": "batch"}, {"source": "part"}])
def test_what_lies_elsewhere_or_was_waited_for_is_not_kept(tmp_path: Path, fields: dict[str, Any]) -> None:
    spool = spool_of(tmp_path)
    run(spool, **fields)
    assert kept(spool) == []


def test_nothing_is_kept_where_nothing_may_be_or_the_directory_is_gone(tmp_path: Path) -> None:
    spool = spool_of(tmp_path, keep_mb=0)
    run(spool)
    assert kept(spool) == []
    spool = spool_of(tmp_path)
    shutil.rmtree(spool.done.root)
    assert spool.results.exists(run(spool).id)
    spool.done.expire(60)


def test_the_oldest_give_way_and_what_is_old_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = spool_of(tmp_path)
    jobs = [run(spool, images=[b"x" * 200_000]) for _ in range(8)]
    assert 3 <= len(kept(spool)) <= 6  # 1 MiB, and what comes between two turns
    assert kept(spool)[-1] == jobs[-1].id
    monkeypatch.setattr(done, "MOST_FILES", 2)
    spool.done.expire(60)
    assert kept(spool) == sorted(job.id for job in jobs[-2:])
    spool.done.expire(-1)
    assert kept(spool) == []
