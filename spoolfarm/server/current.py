"""What belongs to the current request: the Farm and the project of its application, and responses in JSON."""

from __future__ import annotations

import json
from typing import Any, cast

from flask import Response, current_app, request

from spoolfarm.farm.farm import Farm
from spoolfarm.tasks.flower.project import Project

#: Where the application keeps its Farm.
FARM = "spoolfarm"
#: Where it keeps the Flower project.
PROJECT = "spoolfarm.project"
#: Where it keeps those who are connected by Socket.IO.
LIVE = "spoolfarm.live"

_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def farm() -> Farm:
    """The Farm of the application that serves this request."""
    return cast(Farm, current_app.extensions[FARM])


def project() -> Project:
    """The Flower project of the application that serves this request."""
    return cast(Project, current_app.extensions[PROJECT])


def address(path: str) -> str:
    """Where the client finds *path*: behind a proxy that has the farm below a prefix, there."""
    return request.script_root + path


def json_response(body: Any, status: int = 200) -> Response:
    """*body* as JSON, with non-ASCII characters unescaped."""
    return Response(_JSON.encode(body).encode("utf-8", "replace"), status, mimetype="application/json")
