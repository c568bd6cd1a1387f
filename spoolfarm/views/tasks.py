"""`/v1/tasks`: what the farm can do."""

from __future__ import annotations

from flask import Blueprint, Response

from spoolfarm.views import answer, farm

blueprint = Blueprint("tasks", __name__, url_prefix="/v1/tasks")


@blueprint.get("")
def tasks() -> Response:
    """Every task with the JSON schema of its parameters."""
    registry = farm().tasks
    return answer({"tasks": [{"name": name, **registry.get(name).describe()} for name in registry.names()]})
