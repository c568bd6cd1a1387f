"""`/v1/bulk` and `/v1/changes`: many jobs at once, and what changes among them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Literal

from flask import Blueprint, Response
from pydantic import BaseModel, ConfigDict, Field

from spoolfarm.farm.bulk import Act, Bulk
from spoolfarm.farm.changes import Listener
from spoolfarm.farm.figures import Figures
from spoolfarm.farm.query import LAST_ID, Query
from spoolfarm.server.current import farm, json_response
from spoolfarm.server.endpoint import JSON, Body, Endpoint
from spoolfarm.server.event_stream import SILENCE, event_stream, event_text
from spoolfarm.server.request_body import checked, read_json
from spoolfarm.server.views.jobs import JobsFilter

blueprint = Blueprint("job_bulk", __name__, url_prefix="/v1")

#: Jobs that one call acts on at most.
MOST = 10_000


class MeantJobs(JobsFilter):
    """Which jobs are meant: those that fit all that is said."""

    model_config = ConfigDict(strict=True, extra="forbid")


class BulkBody(BaseModel):
    """What to do, and to which jobs."""

    model_config = ConfigDict(strict=True, extra="forbid")

    action: Literal["retry", "cancel", "delete"] = Field(
        description="retry: those that failed; cancel: those that are queued or running; delete: those that have ended"
    )
    filter: MeantJobs = Field(description="as in the query of `GET /v1/jobs`; `{}` means all")
    dry_run: bool = Field(default=False, description="only count")
    before: str = Field(default="", description="only jobs with an id below this one; empty: those that there are now")
    limit: int = Field(default=1000, ge=1, le=MOST, description="at most so many of the jobs that are meant")


@blueprint.post("/bulk")
def bulk() -> Response:
    """Retry, cancel or delete every job that a filter means, or count them; a call ends after 5 seconds.

    Where `next` is not null there is more to do: send the same again with that as `before`.
    """
    asked = checked(BulkBody, read_json())
    before = asked.before or f"{time.time_ns():016x}".ljust(24, "0")
    query = Query(**asked.filter.model_dump())
    tally = Bulk(farm()).act(Act(asked.action), query, min(before, LAST_ID), asked.limit, dry_run=asked.dry_run)
    refused = [{"reason": reason, "count": n, "ids": ids} for reason, (n, ids) in tally.refused.items()]
    said = {"action": asked.action, "dry_run": asked.dry_run, "matched": tally.matched, "done": tally.done}
    return json_response({**said, "refused": refused, "before": before, "next": tally.next})


@blueprint.get("/changes")
def changes() -> Response:
    """Server-Sent Events: `farm` with the figures at once, and whenever a job comes, starts, says something or ends.

    The stream ends after FARM_MAX_WAIT seconds; whoever wants to hear more asks again.
    """
    settings = farm().settings
    listener = farm().changes.follow(max(1, settings.front_threads // 4), settings.max_wait)
    stream = event_stream(_stream(listener))
    stream.call_on_close(listener.close)
    return stream


def _stream(listener: Listener) -> Iterator[str]:
    for figures in listener:
        yield SILENCE if figures is None else event_text("farm", _told(figures))


def _told(figures: Figures) -> dict[str, Any]:
    told = {"queued": dict(figures.queued), "running": figures.running, "dead": figures.dead}
    return {**told, "workers": len(figures.workers)}


class Refusal(BaseModel):
    """Jobs that it is not done to."""

    reason: str
    count: int
    ids: list[str] = Field(description="some of them")


class Tally(BaseModel):
    """What came of it; with `dry_run`, what would."""

    action: str
    dry_run: bool
    matched: int = Field(description="jobs that are meant, as far as this call came")
    done: int = Field(description="those of them that it is done to")
    refused: list[Refusal]
    before: str = Field(description="the `before` that this call had: send it again to act on what was counted")
    next: str | None = Field(description="the `before` to go on with; null when there is no more")


ENDPOINTS = {
    "job_bulk.bulk": Endpoint(
        body={JSON: Body(BulkBody, {"action": "retry", "filter": {"task": "ocr"}, "dry_run": True})},
        responses={200: Tally},
        errors=(413, 415, 503),
        tag="jobs",
    ),
    "job_bulk.changes": Endpoint(responses={200: "text/event-stream"}, errors=(503,), tag="jobs"),
}
