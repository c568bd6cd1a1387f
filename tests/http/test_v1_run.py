"""`/v1/run/<task>`: one request, one result; and what happens when there is no time."""

from __future__ import annotations

from typing import Any

import requests

from tests.support.http_requests import at_rest, files_of, refused
from tests.support.pictures import grain, page, text_of
from tests.support.running_farm import RunningFarm, until


def run(farm: RunningFarm, task: str, body: dict[str, Any], **headers: str) -> requests.Response:
    """POST a call as JSON."""
    return requests.post(f"{farm.url}/v1/run/{task}", json=body, headers=headers, timeout=60)


def test_the_answer_is_the_result_itself_and_nothing_is_left(live: RunningFarm) -> None:
    before = at_rest(live)
    answer = run(live, "echo", {"params": {"n": 3}, "image": text_of(b"12345")})
    assert (answer.status_code, answer.json()) == (200, {"params": {"n": 3}, "bytes": 5})
    form: dict[str, Any] = {"params": (None, '{"n": 3}'), "image": ("a.png", b"12345")}
    sent = requests.post(f"{live.url}/v1/run/echo", files=form, timeout=60)
    assert (sent.status_code, sent.json()) == (200, answer.json())
    until(lambda: files_of(live) == before, what="nothing to be left")


def test_a_page_is_read_with_its_boxes(live: RunningFarm) -> None:
    answer = run(live, "ocr", {"image": text_of(page(["Invoice 2026-118"]))})
    assert answer.status_code == 200
    [line] = answer.json()["lines"]
    assert line["text"].replace(" ", "") == "Invoice2026-118"
    assert line["box"].keys() == {"cx", "cy", "w", "h", "angle"}


def test_a_wait_that_runs_out_is_504_and_the_job_can_be_collected(live: RunningFarm) -> None:
    answer = run(live, "echo", {"params": {"seconds": 1}}, Prefer="wait=0.2")
    body = refused(answer, 504, "0.2 s")
    assert body["code"] == "wait_timeout"
    assert answer.headers["Location"] == f"/v1/jobs/{body['id']}"
    assert answer.elapsed.total_seconds() < 0.9
    record = until(
        lambda: (now := live.get(answer.headers["Location"])[1])["status"] == "succeeded" and now, what="its end"
    )
    assert record["result"] == {"params": {"seconds": 1}, "bytes": 0}


def test_without_a_preference_a_call_waits_as_long_as_farm_timeout_says(idle: RunningFarm) -> None:
    answer = run(idle, "echo", {})
    refused(answer, 504, "1 s")
    assert 1 <= answer.elapsed.total_seconds() < 2


def test_a_job_that_fails_answers_its_own_error(live: RunningFarm) -> None:
    whole, before = grain("JPEG"), at_rest(live)
    answer = run(live, "ocr", {"image": text_of(b"\xff\xd8\xff\xe0" + whole[2000:])})
    refused(answer, 400)
    until(lambda: files_of(live) == before, what="nothing to be left")
