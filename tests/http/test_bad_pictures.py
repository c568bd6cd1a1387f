"""Hostile and sloppy input on a farm: it goes on, and no worker dies of it."""

from __future__ import annotations

import pytest
import requests

from tests.support.http_requests import refused
from tests.support.picture_endpoints import JSON
from tests.support.pictures import bomb, grain, png, text_of
from tests.support.running_farm import RunningFarm


@pytest.mark.parametrize("cut", [0.05, 0.5, 0.95])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "GIF"])
def test_a_truncated_picture_never_costs_a_worker(live: RunningFarm, kind: str, cut: float) -> None:
    workers, whole = set(live.workers()), grain(kind)
    answer = requests.post(
        f"{live.url}/v1/run/ocr", json={"image": text_of(whole[: int(len(whole) * cut)])}, timeout=60
    )
    if answer.status_code != 200:  # some decoders make do with what there is
        assert refused(answer, 400)["code"] == "broken_image"
    assert set(live.workers()) == workers


@pytest.mark.parametrize(
    "picture",
    [png(100, 100, b"\0" * 50), png(100, 100, b""), png(10, 10, bytes(10_000_000)), png(7000, 7000, b"\0")],
    ids=["little", "nothing", "too much", "almost too big"],
)
def test_a_header_that_lies_never_costs_a_worker(live: RunningFarm, picture: bytes) -> None:
    workers = set(live.workers())
    answer = requests.post(f"{live.url}/v1/run/ocr", json={"image": text_of(picture)}, timeout=60)
    if answer.status_code != 200:
        assert refused(answer, 400)["code"] == "broken_image"
    assert set(live.workers()) == workers


def test_after_all_this_the_same_workers_do_the_next_job(live: RunningFarm) -> None:
    workers = set(live.workers())
    bodies = [
        b"[" * 100_000,
        b'{"task": "echo", "params": {"n": 1e999}}',
        b'{"task": "echo", "params": {"n": "\\ud800"}}',
        b'{"task": "ocr", "image": "' + text_of(bomb()).encode() + b'"}',
        b'{"task": "ocr", "image": "' + text_of(png(100, 100, b"")).encode() + b'"}',
        b'{"task": "echo", "params": {"seconds": "x"}}',
    ]
    for _ in range(5):
        for data in bodies:
            answer = requests.post(f"{live.url}/v1/jobs", data=data, headers={"Content-Type": JSON}, timeout=60)
            assert 200 <= answer.status_code < 500
    assert live.post("/v1/run/echo", {"params": {"n": 1}}) == (200, {"params": {"n": 1}, "bytes": 0})
    assert set(live.workers()) == workers
