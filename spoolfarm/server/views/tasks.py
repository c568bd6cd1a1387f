"""`/v1/tasks`: what the farm can do."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response
from pydantic import BaseModel, Field

from spoolfarm.server.current import farm, json_response
from spoolfarm.server.endpoint import Endpoint

blueprint = Blueprint("tasks", __name__, url_prefix="/v1/tasks")


@blueprint.get("")
def tasks() -> Response:
    """Every task with the JSON schema of its parameters."""
    registry, pauses = farm().tasks, farm().pauses
    names = registry.usable()
    told = [{"name": name, **registry.get(name).describe(), "paused": pauses.on(name)} for name in names]
    return json_response({"tasks": told})


class TaskDescription(BaseModel):
    """A task: its name, its parameters as a JSON schema, and how many pictures it takes."""

    name: str
    description: str
    params: dict[str, Any]
    min_images: int
    max_images: int
    lane: str
    paused: bool = Field(description="whether its jobs wait until it is resumed")


class Tasks(BaseModel):
    """All tasks."""

    tasks: list[TaskDescription]


ENDPOINTS = {"tasks.tasks": Endpoint(responses={200: Tasks})}
