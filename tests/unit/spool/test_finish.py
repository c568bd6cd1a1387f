"""Finishing: a result, and nothing else left."""

from __future__ import annotations

import errno
import os

import pytest

from spoolfarm.spool.spool import Spool
from tests.support.spool_jobs import bury, die, new, one, refuse
from tests.support.spool_tree import Tree, succeeded


def test_a_finished_job_leaves_its_result_and_nothing_else(tree: Tree, spool: Spool) -> None:
    job = new(durable=True)
    spool.put(job)
    lease = tree.lease()
    (claim,) = one(lease, spool)
    spool.finish(claim, succeeded(claim, 7))
    record = spool.results.get(job.id)
    assert record is not None
    assert (record["result"], record["attempts"]) == (7, 1)
    assert tree.job_files() == []
    lease.end()


@pytest.mark.parametrize("durable", [True, False])
def test_a_promised_job_that_fails_becomes_a_dead_letter_and_another_does_not(
    durable: bool, tree: Tree, spool: Spool
) -> None:
    job = new(durable=durable)
    spool.put(job)
    bury(spool, job)
    assert spool.dead.ids() == ([job.id] if durable else [])
    record = spool.results.get(job.id)
    assert record is not None
    assert record["error"] == "no luck"


def test_a_finish_that_failed_goes_on_where_it_stopped(
    tree: Tree, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = new(durable=True)
    spool.put(job)
    lease = tree.lease()
    (claim,) = one(lease, spool)
    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", refuse(errno.EIO))
        with pytest.raises(OSError, match="Input/output error"):
            spool.finish(claim, succeeded(claim, "first"))
    assert spool.results.exists(job.id)
    spool.finish(claim, succeeded(claim, "second"))
    record = spool.results.get(job.id)
    assert record is not None
    assert record["result"] == "first"
    assert tree.job_files() == []
    lease.end()


def test_a_late_result_of_a_worker_given_up_for_dead_changes_nothing(tree: Tree, spool: Spool) -> None:
    job = new(durable=True)
    spool.put(job)
    slow, quick = tree.lease(), tree.lease()
    (late,) = one(slow, spool)
    die(slow)
    spool.reclaim()
    (early,) = one(quick, spool)
    spool.finish(early, succeeded(early, "early"))
    spool.finish(late, succeeded(late, "late"))
    record = spool.results.get(job.id)
    assert record is not None
    assert record["result"] == "early"
    quick.end()
