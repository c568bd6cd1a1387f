"""schemathesis sends to every face what `/openapi.json` allows, and what it forbids: none fails, all keep their word.

    SCHEMATHESIS_EXAMPLES=500 ./test.sh tests/http/test_schemathesis.py

tries harder.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from tests.support.running_farm import RunningFarm

#: Cases for each face.
EXAMPLES = int(os.environ.get("SCHEMATHESIS_EXAMPLES", "8"))
#: What a face may answer although nobody did anything wrong: no room, and no result in time.
ALLOWED = {503, 504}


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningFarm]:
    """A farm that waits for no result longer than a moment."""
    farm = RunningFarm(
        tmp_path_factory.mktemp("quick"), FARM_ENABLE="echo,edit,ocr", FARM_TIMEOUT=0.5, FARM_MAX_WAIT=0.5
    )
    try:
        yield farm.start()
    finally:
        farm.stop()
    assert "Traceback" not in farm.log(), farm.log()


CHECKS = [status_code_conformance, content_type_conformance, response_schema_conformance, unsupported_method]
#: The same cases every time.
SETTINGS = settings(
    max_examples=EXAMPLES, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
)


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


@pytest.mark.timeout(60 + 10 * EXAMPLES)
def test_no_face_fails_and_all_answer_as_they_say(quick: RunningFarm) -> None:
    told = schemathesis.openapi.from_url(f"{quick.url}/openapi.json")
    faces = [found.ok() for found in told.get_all_operations()]
    assert len(faces) >= 20
    for face in faces:
        for mode in modes(face):
            SETTINGS(given(case=face.as_strategy(generation_mode=mode))(look))()
