"""A worker that is called when a test of the hot folder wants, and what the hot folder made of its answers."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from spoolfarm.spool.job import Result, State
from spoolfarm.spool.lease import Lease, new_worker_id
from spoolfarm.spool.spool import Spool
from tests.support.spool_tree import claims


def work(spool: Spool) -> None:
    """Run every queued job: the result is what the picture's bytes say, and a text."""
    lease = Lease.take(spool.workers, spool.active, new_worker_id())
    cursor = spool.cursor(sorted(os.listdir(spool.queue)))
    for claim in claims(lambda: spool.claim(lease, cursor, lambda task: 2)):
        job, now = claim.job, time.time()
        said = {"text": job.images[0].decode(errors="replace"), "params": job.params}
        times = (job.created, claim.started, now)
        attached = {"copy.bin": job.images[0]}
        spool.finish(claim, Result(job.id, job.task, State.SUCCEEDED, job.attempts, *times, said, files=attached))
        lease.drop_suspects()
    lease.end()


def left(inbox: Path) -> list[str]:
    return [str(path) for path in inbox.rglob("*") if not path.is_dir()]


def answers(out: Path) -> dict[str, Any]:
    found = (path for path in out.rglob("*.json") if path.is_file())
    records = {str(path.relative_to(out))[:-5]: json.loads(path.read_bytes()) for path in found}
    return {
        name: record["result"]["text"] if record["status"] == "succeeded" else record["code"]
        for name, record in records.items()
        if "status" in record
    }
