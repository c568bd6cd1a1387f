"""A spool's jobs in the hands of a test: made, aged, claimed and buried."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from spoolfarm.spool import files
from spoolfarm.spool.buckets import bucket
from spoolfarm.spool.job import Job
from spoolfarm.spool.jobfile import Claim
from spoolfarm.spool.lease import Lease, new_worker_id
from spoolfarm.spool.spool import Spool
from tests.support.spool_tree import claims, failed

DAY = 86400.0


def new(number: int = 0, **fields: Any) -> Job:
    return Job("echo", {"number": number}, [b"picture"], **fields)


def aged(job: Job, seconds: float) -> Job:
    """*job* as if it had been made *seconds* ago."""
    return replace(job, id=f"{time.time_ns() - int(seconds * 1e9):016x}{job.id[16:]}")


def where(spool: Spool, job: Job) -> str:
    """The directory that holds the job file, below the spool."""
    entry = spool.find(job.id)
    assert entry is not None
    return os.path.dirname(entry.path).removeprefix(f"{spool.root}/")


def place_of(spool: Spool, job: Job) -> str:
    return bucket(spool.queue, job.task, job.priority, job.id).path


def one(lease: Lease, spool: Spool, most: int = 1) -> list[Claim]:
    return spool.claim(lease, spool.cursor(["echo"]), lambda task: most)


def die(lease: Lease) -> None:
    """What the kernel does to the locks of a worker that dies."""
    lease.drop_suspects()
    lease.drop()


def bury(spool: Spool, job: Job) -> None:
    """Make *job*, which is queued, a dead letter."""
    lease = Lease.take(spool.workers, spool.active, new_worker_id())
    (claim,) = one(lease, spool)
    assert claim.job.id == job.id
    spool.finish(claim, failed(claim))
    lease.end()


def taken_before_the_sync(lease: Lease, spool: Spool, monkeypatch: pytest.MonkeyPatch) -> list[Claim]:
    """Let the worker of *lease* claim a job, and remove its empty bucket, before its submitter syncs the bucket."""
    taken: list[Claim] = []
    sync = files.sync_directory

    def late(path: str) -> None:
        if path.startswith(f"{spool.queue}/echo/") and not taken:
            cursor = spool.cursor(["echo"])
            taken.extend(claims(lambda: spool.claim(lease, cursor, lambda task: 1)))
            assert not os.path.exists(path)
        sync(path)

    monkeypatch.setattr(files, "sync_directory", late)
    return taken


def refuse(number: int) -> Callable[..., Any]:
    def call(*arguments: Any, **named: Any) -> Any:
        raise OSError(number, os.strerror(number))

    return call
