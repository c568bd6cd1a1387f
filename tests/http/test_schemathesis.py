"""schemathesis sends to every face what `/openapi.json` allows, and what it forbids: none fails, all keep their word.

    SCHEMATHESIS_EXAMPLES=500 ./test.sh tests/http/test_schemathesis.py

tries harder.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.support.running_farm import RunningFarm

#: Cases for each face.
EXAMPLES = int(os.environ.get("SCHEMATHESIS_EXAMPLES", "8"))


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


@pytest.mark.timeout(60 + 10 * EXAMPLES)
def test_no_face_fails_and_all_answer_as_they_say(quick: RunningFarm) -> None:
    from tests.support import drawn_requests

    assert drawn_requests.examine(quick.url, EXAMPLES) >= 20
