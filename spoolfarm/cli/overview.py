"""The overview: what the farm does now, as data and as lines for people."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from spoolfarm.errors import UnknownJob
from spoolfarm.hotfolder.inbox import Inbox
from spoolfarm.spool.paused import ALL
from spoolfarm.spool.rates import rates
from spoolfarm.units import count, duration

if TYPE_CHECKING:
    from spoolfarm.farm.farm import Farm

#: How many dead letters the overview names, the newest.
NAMED = 5


def overview(farm: Farm) -> dict[str, Any]:
    """What the farm does now.

    How many files lie in the `inbox`, what is `paused`, the jobs `queued` by task, each one `running`, how many are
    `dead`, the newest `dead_letters`, the `workers`, their `rates`, and the `disk`.
    """
    figures = farm.figures()
    newest = sorted(farm.dead_letters(), reverse=True)[:NAMED] if figures.dead else []
    return {
        "inbox": Inbox(farm.inbox).waiting(),
        "paused": farm.pauses.names(),
        "queued": {task: number for task, number in sorted(figures.queued.items()) if number},
        "running": farm.running(),
        "dead": figures.dead,
        "dead_letters": [record for job_id in newest if (record := _dead(farm, job_id))],
        "workers": list(figures.workers),
        "rates": {task: asdict(rate) for task, rate in sorted(rates(figures.workers, time.time()).items())},
        "disk": {"path": farm.root, "free_bytes": figures.free_bytes, "total_bytes": figures.total_bytes},
    }


def lines(seen: Mapping[str, Any]) -> Iterator[str]:
    """An overview for people."""
    if seen["inbox"]:
        yield f"inbox    {count(seen['inbox'], 'file')}"
    queued = ", ".join(f"{task} {number}" for task, number in seen["queued"].items())
    yield f"queued   {queued or 'nothing'}"
    if seen["paused"]:
        yield f"paused   {resting(seen['paused'])}"
    for job in seen["running"]:
        where = f"  on {job['node']}" if "node" in job else ""
        yield f"running  {job['id']}  {job['task']}  for {duration(job['seconds'])}  worker {job['worker']}{where}"
    if not seen["running"]:
        yield "running  nothing"
    yield f"dead     {count(seen['dead'], 'letter')}"
    for job in seen["dead_letters"]:
        yield f"         {line(job)}"
    if seen["dead"] > len(seen["dead_letters"]):
        yield "         ...; see `spoolfarm jobs --status failed`"
    tasks = ", ".join(sorted({task for worker in seen["workers"] for task in worker["tasks"]}))
    yield f"workers  {len(seen['workers'])} ready{f' for {tasks}' if tasks else ''}"
    disk = seen["disk"]
    yield f"disk     {disk['free_bytes'] / 2**30:.1f} of {disk['total_bytes'] / 2**30:.1f} GiB free at {disk['path']}"


def resting(paused: Sequence[str]) -> str:
    """What is paused, for people."""
    return "the whole queue" if ALL in paused else ", ".join(paused)


def line(record: Mapping[str, Any]) -> str:
    """What is known of one job, for people."""
    parts = [record["id"], f"{record['status']:9}", record["task"], f"{duration(time.time() - record['created'])} old"]
    if record["attempts"] > 1:
        parts.append(f"attempt {record['attempts']}")
    if record["status"] == "running" and record["progress"] is not None:
        parts.append(f"{record['progress']:.0%}")
    if record.get("name"):
        parts.append(record["name"])
    if record.get("error"):
        parts.append(" ".join(record["error"].split()))
    return "  ".join(parts)


def story(record: Mapping[str, Any]) -> Iterator[str]:
    """What has happened to one job so far, for people: who sent it, how long it waited and ran, what was lost."""
    yield line(record)
    if record.get("source"):
        request = f", request {record['request_id']}" if record.get("request_id") else ""
        yield f"    sent by {record['source']}{request}"
    for lost in record.get("lost", ()):
        ran = duration(lost["ended"] - lost["started"])
        yield f"    attempt {lost['attempt']} was lost after {ran}, with worker {lost['worker']}: {lost['reason']}"
    if record.get("started") is not None:
        end = record.get("finished") or time.time()
        waited, ran = duration(record["started"] - record["created"]), duration(end - record["started"])
        worker = f", with worker {record['worker']}" if record.get("worker") else ""
        yield f"    began after {waited}, ran {ran}{worker}"


def _dead(farm: Farm, job_id: str) -> dict[str, Any] | None:
    """What is shown of a dead letter; None when it has been taken back meanwhile."""
    try:
        record = farm.record(job_id)
    except UnknownJob:
        return None
    shown = ("id", "task", "status", "attempts", "created", "finished", "name", "error", "code")
    return {name: record[name] for name in shown if name in record}
