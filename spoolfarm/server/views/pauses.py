"""`/v1/pause` and `/v1/resume`: have jobs wait, of one task or of all, and have them done again."""

from __future__ import annotations

from flask import Blueprint, Response
from pydantic import BaseModel, Field

from spoolfarm.server.current import farm, json_response
from spoolfarm.server.endpoint import Endpoint, Parameter

blueprint = Blueprint("pauses", __name__, url_prefix="/v1")


@blueprint.post("/pause")
def pause_all() -> Response:
    """Pause the whole queue: jobs are accepted and wait, and those that run are finished. No restart resumes it."""
    farm().pauses.pause()
    return _told()


@blueprint.post("/resume")
def resume_all() -> Response:
    """Resume everything that was paused, the whole queue and single tasks."""
    farm().pauses.resume()
    return _told()


@blueprint.post("/tasks/<task_name>/pause")
def pause(task_name: str) -> Response:
    """Pause one task: its jobs are accepted and wait, and those that run are finished. No restart resumes it."""
    farm().pauses.pause(task_name)
    return _told()


@blueprint.post("/tasks/<task_name>/resume")
def resume(task_name: str) -> Response:
    """Resume one task. It still waits while the whole queue is paused: `paused` has a `*` then."""
    farm().pauses.resume(task_name)
    return _told()


def _told() -> Response:
    return json_response({"paused": farm().pauses.names()})


class Paused(BaseModel):
    """What rests now."""

    paused: list[str] = Field(description="the tasks that are paused; * stands for the whole queue")


_NAME = Parameter("task_name", "the name of a task", "echo", "path", {"type": "string", "minLength": 1})
ENDPOINTS = {
    "pauses.pause_all": Endpoint(responses={200: Paused}, errors=(503,), tag="farm"),
    "pauses.resume_all": Endpoint(responses={200: Paused}, errors=(503,), tag="farm"),
    "pauses.pause": Endpoint(responses={200: Paused}, errors=(404, 501, 503), parameters=(_NAME,), tag="farm"),
    "pauses.resume": Endpoint(responses={200: Paused}, errors=(404, 501, 503), parameters=(_NAME,), tag="farm"),
}
