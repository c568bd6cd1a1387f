"""An event stream: Server-Sent Events, as HTML's living standard has them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from flask import Response

from spoolfarm.farm.changes import Changes
from spoolfarm.server.current import farm

#: A comment, which tells us whether anyone still listens.
SILENCE = ":\n\n"


def event_stream(events: Iterable[str]) -> Response:
    """A response that goes on with *events* until there are no more, or the front stops."""
    stream = Response(_until_the_front_stops(events, farm().changes), mimetype="text/event-stream")
    stream.headers["Cache-Control"] = "no-store"
    stream.headers["X-Accel-Buffering"] = "no"
    return stream


def event_text(name: str, data: dict[str, Any], number: int | None = None) -> str:
    """One event; *number* is what a client that comes back sends as its `Last-Event-ID`."""
    lines = [f"event: {name}", f"data: {json.dumps(data, ensure_ascii=False)}"]
    if number is not None:
        lines.append(f"id: {number}")
    return "\n".join(lines) + "\n\n"


def _until_the_front_stops(events: Iterable[str], changes: Changes) -> Iterator[str]:
    for event in events:
        yield event
        if changes.closed:
            return  # a client goes on with the next front
