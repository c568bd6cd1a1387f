"""`/health` and `/ready`: whether the front is alive, and whether the farm can take work."""

from __future__ import annotations

from collections import Counter
from typing import Any

from flask import Blueprint, Response
from pydantic import BaseModel, Field

from spoolfarm.server.current import farm, json_response
from spoolfarm.server.endpoint import Endpoint

blueprint = Blueprint("health", __name__)


@blueprint.get("/health")
def health() -> Response:
    """200 while the front is alive, whatever the workers do."""
    return json_response({"status": "ok"})


@blueprint.get("/ready")
def ready() -> Response:
    """200 when a general worker is ready and the spool can be written, else a 503 that says what is missing.

    A farm that is paused is ready: it takes jobs, which wait.
    """
    missing = farm().missing()
    figures = farm().figures()
    nodes = Counter(worker["node"] for worker in figures.workers if "node" in worker)
    told: dict[str, Any] = {
        "status": "unready" if missing else "ready",
        "workers": len(figures.workers),
        "queued": sum(figures.queued.values()),
        "running": figures.running,
        "dead": figures.dead,
        "paused": farm().pauses.names(),
    }
    told |= {"nodes": dict(nodes)} if nodes else {}
    return json_response({**told, "error": "; ".join(missing)} if missing else told, 503 if missing else 200)


class Health(BaseModel):
    """The front is alive."""

    status: str = Field(pattern="^ok$")


class Ready(BaseModel):
    """Figures of the farm."""

    status: str = Field(pattern="^(un)?ready$")
    workers: int
    queued: int
    running: int
    dead: int = Field(description="jobs that failed for good")
    paused: list[str] = Field(description="the tasks that are paused; * stands for the whole queue")
    nodes: dict[str, int] | None = Field(
        default=None, description="on a cluster: the nodes, each with how many workers have their jobs run there"
    )
    error: str | None = Field(default=None, description="what is missing")


ENDPOINTS = {
    "health.health": Endpoint(responses={200: Health}, tag="operation"),
    "health.ready": Endpoint(responses={200: Ready, 503: Ready}, tag="operation"),
}
