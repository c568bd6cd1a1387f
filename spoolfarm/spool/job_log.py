"""The job log: one line about each job that has ended, in a log that programs read."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

#: Silent until somebody gives it a level of its own: a busy farm ends thousands of jobs a second.
log = logging.getLogger("spoolfarm.jobs")


def wanted() -> bool:
    """Whether somebody wants to read such lines."""
    return bool(log.level) and log.isEnabledFor(logging.INFO)


def tell(record: Mapping[str, Any]) -> None:
    """Log how the job of *record* has ended, where such lines are wanted."""
    if wanted():
        log.info("job %s %s", record["id"], record["status"], extra={"fields": line(record)})


def line(record: Mapping[str, Any]) -> dict[str, Any]:
    """What such a line says of an ended job: times in seconds, and None for what nobody knows."""
    created, started, finished = record["created"], record["started"], record["finished"]
    lost = record.get("lost") or [{}]
    return {
        "id": record["id"],
        "task": record["task"],
        "source": record.get("source"),
        "name": record.get("name"),
        "request_id": record.get("request_id"),
        "trace_id": trace_id(record.get("traceparent")),
        "queue_seconds": round((finished if started is None else started) - created, 6),
        "run_seconds": None if started is None else round(finished - started, 6),
        "attempts": record["attempts"],
        "outcome": str(record["status"]),
        "code": record.get("code"),
        "worker": record.get("worker") or lost[-1].get("worker"),
    }


def trace_id(traceparent: str | None) -> str | None:
    """The id of the trace that a `traceparent` header names (W3C Trace Context)."""
    return traceparent.split("-")[1] if traceparent else None
