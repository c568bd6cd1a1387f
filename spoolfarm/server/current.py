"""What belongs to the current request: the Farm and the project of its application, and responses in JSON."""

from __future__ import annotations

import json
import random
import re
from typing import Any, cast

from flask import Response, current_app, has_request_context, request

from spoolfarm.farm.farm import Farm
from spoolfarm.tasks.flower.project import Project

#: Where the application keeps its Farm.
FARM = "spoolfarm"
#: Where it keeps the Flower project.
PROJECT = "spoolfarm.project"
#: Where it keeps those who are connected by Socket.IO.
LIVE = "spoolfarm.live"

#: Where a request's id is kept, and the most characters of one that a client gives.
REQUEST_ID, LONGEST_ID = "farm.request_id", 100
#: A trace and a span of it, as W3C Trace Context has them; an id of zeros is none.
TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")

_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def farm() -> Farm:
    """The Farm of the application that serves this request."""
    return cast(Farm, current_app.extensions[FARM])


def project() -> Project:
    """The Flower project of the application that serves this request."""
    return cast(Project, current_app.extensions[PROJECT])


def request_id() -> str:
    """The id of the current request: the client's own, or a new one."""
    return _id_of(request.environ)


def _id_of(environ: dict[str, Any]) -> str:
    if REQUEST_ID not in environ:
        given = environ.get("HTTP_X_REQUEST_ID", "")[:LONGEST_ID]
        environ[REQUEST_ID] = given if given.isprintable() and given else f"{random.getrandbits(64):016x}"
    return str(environ[REQUEST_ID])


def caller() -> dict[str, str]:
    """What a job says of the request that submits it: its id and its trace. Nothing outside of a request."""
    if not has_request_context():
        return {}
    environ = request.environ
    traceparent = environ.get("HTTP_TRACEPARENT")
    known = {"request_id": _id_of(environ)}
    return {**known, "traceparent": traceparent} if traceparent and TRACEPARENT.fullmatch(traceparent) else known


def address(path: str) -> str:
    """Where the client finds *path*: behind a proxy that has the farm below a prefix, there."""
    return request.script_root + path


def json_response(body: Any, status: int = 200) -> Response:
    """*body* as JSON, with non-ASCII characters unescaped."""
    return Response(_JSON.encode(body).encode("utf-8", "replace"), status, mimetype="application/json")
