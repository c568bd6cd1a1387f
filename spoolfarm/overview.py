"""The overview: what the farm does now, as data and as lines for people."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from spoolfarm.errors import UnknownJob
from spoolfarm.hotfolder.inbox import Inbox
from spoolfarm.tally import rates
from spoolfarm.units import count, duration

if TYPE_CHECKING:
    from spoolfarm.farm import Farm


def overview(farm: Farm) -> dict[str, Any]:
    """What the farm does now.

    How many files lie in the `inbox`, the jobs `queued` by task, each one `running`, how many are `dead`, the
    `workers`, their `rates`, and the `disk`.
    """
    disk = os.statvfs(farm.spool.root)
    workers = farm.workers()
    return {
        "inbox": Inbox(f"{farm.spool.root}/inbox").waiting(),
        "queued": {task: number for task, number in sorted(farm.spool.count().items()) if number},
        "running": list(_running(farm)),
        "dead": len(farm.spool.dead.ids()),
        "workers": workers,
        "rates": {task: asdict(rate) for task, rate in sorted(rates(workers, time.time()).items())},
        "disk": {
            "path": farm.spool.root,
            "free_bytes": disk.f_bavail * disk.f_frsize,
            "total_bytes": disk.f_blocks * disk.f_frsize,
        },
    }


def lines(seen: Mapping[str, Any]) -> Iterator[str]:
    """An overview for people."""
    if seen["inbox"]:
        yield f"inbox    {count(seen['inbox'], 'file')}"
    queued = ", ".join(f"{task} {number}" for task, number in seen["queued"].items())
    yield f"queued   {queued or 'nothing'}"
    for job in seen["running"]:
        yield f"running  {job['id']}  {job['task']}  for {duration(job['seconds'])}  worker {job['worker']}"
    if not seen["running"]:
        yield "running  nothing"
    yield f"dead     {count(seen['dead'], 'letter')}"
    tasks = ", ".join(sorted({task for worker in seen["workers"] for task in worker["tasks"]}))
    yield f"workers  {len(seen['workers'])} ready{f' for {tasks}' if tasks else ''}"
    disk = seen["disk"]
    yield f"disk     {disk['free_bytes'] / 2**30:.1f} of {disk['total_bytes'] / 2**30:.1f} GiB free at {disk['path']}"


def line(record: Mapping[str, Any]) -> str:
    """What is known of one job, for people."""
    parts = [record["id"], f"{record['status']:9}", record["task"], f"{duration(time.time() - record['created'])} old"]
    if record["attempts"] > 1:
        parts.append(f"attempt {record['attempts']}")
    if record["status"] == "running" and record["progress"] is not None:
        parts.append(f"{record['progress']:.0%}")
    if record.get("error"):
        parts.append(record["error"])
    return "  ".join(parts)


def _running(farm: Farm) -> Iterator[dict[str, Any]]:
    for wid, entries in sorted(farm.spool.running().items()):
        for entry in entries:
            try:
                record = farm.record(entry.id)
            except UnknownJob:
                continue  # it ended meanwhile, and left nothing
            if record["status"] == "running":
                seconds = round(time.time() - record["started"], 1)
                yield {"id": entry.id, "task": record["task"], "worker": wid, "seconds": seconds}
