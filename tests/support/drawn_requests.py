"""Requests that schemathesis draws from what an operation takes; imported late, for it and hypothesis take a second."""

from __future__ import annotations

import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

#: What a face may answer although nobody did anything wrong: no room, and no result in time.
ALLOWED = {503, 504}
CHECKS = [status_code_conformance, content_type_conformance, response_schema_conformance, unsupported_method]


def modes(face: schemathesis.APIOperation) -> list[schemathesis.GenerationMode]:
    """How cases can be made: a face that takes nothing but words in its path can be given nothing bad."""
    taken = [(each.location, each.definition["schema"]) for each in face.iter_parameters()]
    if list(face.body) or any(each != ("path", {"type": "string", "minLength": 1}) for each in taken):
        return list(schemathesis.GenerationMode)
    return [schemathesis.GenerationMode.POSITIVE]


def hurry(case: schemathesis.Case) -> None:
    """Let *case* ask for less patience and less sleep than it may."""
    if str((case.headers or {}).get("Prefer", "")).startswith("wait="):
        case.headers["Prefer"] = "wait=0.2"
    params = case.body.get("params") if isinstance(case.body, dict) else None
    seconds = params.get("seconds") if isinstance(params, dict) else None
    if isinstance(seconds, (int, float)) and seconds > 0:
        params["seconds"] = 0.1


def look(case: schemathesis.Case) -> None:
    """Send *case*, and look at the answer."""
    hurry(case)
    answer = case.call(timeout=30)
    assert answer.status_code < 500 or answer.status_code in ALLOWED, f"{case.as_curl_command()}\n{answer.text}"
    streamed = answer.headers.get("content-type", [""])[0].startswith("text/event-stream")
    checks = [each for each in CHECKS if not (streamed and each is response_schema_conformance)]
    case.validate_response(answer, checks=checks)  # the schema is that of the whole stream, and not of each event


def examine(url: str, examples: int) -> int:
    """Send so many cases to each operation that the farm at *url* tells of; how many operations there were."""
    told = schemathesis.openapi.from_url(f"{url}/openapi.json")
    faces = [found.ok() for found in told.get_all_operations()]
    same = settings(  # the same cases every time
        max_examples=examples, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
    )
    for face in faces:
        for mode in modes(face):
            same(given(case=face.as_strategy(generation_mode=mode))(look))()
    return len(faces)
