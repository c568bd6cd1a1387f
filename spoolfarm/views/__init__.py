"""Views: the HTTP faces, one file each. They decode, call the Farm and render."""

from __future__ import annotations

import json
from typing import Any, cast

from flask import Response, current_app

from spoolfarm.farm import Farm

#: Where the application keeps its Farm.
FARM = "spoolfarm"

_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def farm() -> Farm:
    """The Farm of the application that serves this request."""
    return cast(Farm, current_app.extensions[FARM])


def answer(body: Any, status: int = 200) -> Response:
    """*body* as JSON, with all letters readable."""
    return Response(_JSON.encode(body).encode("utf-8", "replace"), status, mimetype="application/json")
