"""Bodies up to the limit of the farm, and over it."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from tests.support.http_requests import refused
from tests.support.picture_endpoints import FACES, post, send
from tests.unit.server.conftest import Make

pytestmark = pytest.mark.usefixtures("nothing_is_queued")


@pytest.mark.parametrize("face", FACES)
def test_a_body_over_the_limit_is_413(front: FlaskClient, face: str) -> None:
    answer, _ = send(front, face, b"A" * (5 << 20))
    assert refused(answer, 413, "FARM_MAX_BODY_MB")["code"] == "too_large"


def test_a_body_just_under_the_limit_is_accepted(make: Make) -> None:
    front = make(FARM_MAX_BODY_MB=1)
    text = "A" * (2**20 - 100)
    assert post(front, {"task": "echo", "image": text[: len(text) // 4 * 4]}).status_code == 202
