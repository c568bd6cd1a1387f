"""`/v1/jobs/<id>/inputs`, its pictures and `/again`: what a job was asked to do, and the same once more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from PIL import Image

from spoolfarm import images
from spoolfarm.farm.farm import Farm
from spoolfarm.farm.previews import Previews
from spoolfarm.server.current import FARM
from spoolfarm.spool.job import Job
from tests.support.http_requests import refused
from tests.support.pictures import encoded, small, text_of
from tests.support.spool_jobs import bury


def farm_of(front: FlaskClient) -> Farm:
    found = front.application.extensions[FARM]
    assert isinstance(found, Farm)
    return found


def submit(front: FlaskClient, **more: Any) -> str:
    sent = {"task": "edit", "image": text_of(small()), "params": {"operations": ["resize=2"]}, **more}
    return str(front.post("/v1/jobs", json=sent).get_json()["id"])


def test_the_inputs_of_a_queued_job_are_told(front: FlaskClient) -> None:
    told = front.get(f"/v1/jobs/{submit(front, priority=3)}/inputs").get_json()
    [picture] = told.pop("pictures")
    assert (told["kept"], told["task"], told["priority"]) == (True, "edit", 3)
    assert told["params"]["operations"] == ["resize=2"]
    assert picture == {"bytes": len(small()), "type": "image/png", "width": 40, "height": 20}


def test_a_picture_comes_back_as_it_was_sent_and_as_a_small_jpeg(front: FlaskClient) -> None:
    where = f"/v1/jobs/{submit(front)}/pictures/0"
    sent = front.get(where)
    assert (sent.data, sent.mimetype, sent.headers["Content-Security-Policy"]) == (small(), "image/png", "sandbox")
    preview = front.get(f"{where}/preview?side=16")
    assert (preview.status_code, preview.mimetype) == (200, "image/jpeg")
    assert images.decode(preview.data).shape == (8, 16, 3)
    assert front.get(f"{where}/preview?side=1600").status_code == 200
    for query in ("side=15", "side=1601", "side=x"):
        refused(front.get(f"{where}/preview?{query}"), 400, "side: ")


def test_where_there_is_no_picture_there_is_no_preview_and_nothing_fails(front: FlaskClient) -> None:
    job_id = front.post("/v1/jobs", json={"task": "echo"}).get_json()["id"]
    assert front.get(f"/v1/jobs/{job_id}/pictures/0/preview").status_code == 204
    refused(front.get(f"/v1/jobs/{job_id}/pictures/0"), 404, "has 0 pictures")
    refused(front.get(f"/v1/jobs/{job_id}/pictures/-1"), 404)
    for path in ("inputs", "pictures/0", "pictures/0/preview"):
        refused(front.get(f"/v1/jobs/{'0' * 24}/{path}"), 404, "no job")
        refused(front.get(f"/v1/jobs/..%2f..%2fetc/{path}"), 404)
    refused(front.post(f"/v1/jobs/{'0' * 24}/again"), 404, "no job")


@pytest.mark.parametrize(
    "hostile", [b"\x89PNG\r\n\x1a\n" + b"\0" * 64, small()[:60], b"%PDF-1.7 no picture", b"GIF89a"]
)
def test_what_cannot_be_decoded_has_no_preview_and_the_next_one_has(front: FlaskClient, hostile: bytes) -> None:
    job = Job("echo", images=(hostile, small()), durable=True)
    farm_of(front).spool.put(job)
    assert front.get(f"/v1/jobs/{job.id}/pictures/0/preview").status_code == 204
    assert front.get(f"/v1/jobs/{job.id}/pictures/1/preview").status_code == 200
    assert front.get(f"/v1/jobs/{job.id}/inputs").get_json()["pictures"][0]["bytes"] == len(hostile)


def test_a_dead_letter_shows_the_picture_that_it_died_of(front: FlaskClient) -> None:
    farm = farm_of(front)
    job = Job("echo", images=(small(),), durable=True, priority=0)
    farm.spool.put(job)
    bury(farm.spool, job)
    assert farm.record(job.id)["status"] == "failed"
    assert front.get(f"/v1/jobs/{job.id}/pictures/0").data == small()
    assert front.get(f"/v1/jobs/{job.id}/pictures/0/preview").status_code == 200
    farm.remove_dead_letter(job.id)  # and its result is left
    assert front.get(f"/v1/jobs/{job.id}/pictures/0/preview").status_code == 204
    assert front.get(f"/v1/jobs/{job.id}/inputs").get_json()["kept"] is False


def test_a_job_runs_again_with_the_same_picture_and_other_parameters(front: FlaskClient) -> None:
    first = submit(front)
    answer = front.post(f"/v1/jobs/{first}/again", json={"params": {"operations": ["blur=3"]}, "priority": 9})
    assert answer.status_code == 202
    second = answer.get_json()["id"]
    assert answer.headers["Location"] == f"/v1/jobs/{second}"
    told = front.get(f"/v1/jobs/{second}/inputs").get_json()
    assert (told["params"]["operations"], told["priority"]) == (["blur=3"], 9)
    assert front.get(f"/v1/jobs/{second}/pictures/0").data == small()
    same = front.post(f"/v1/jobs/{first}/again").get_json()["id"]
    assert front.get(f"/v1/jobs/{same}/inputs").get_json()["params"]["operations"] == ["resize=2"]
    assert front.post(f"/v1/jobs/{first}/again", json={"task": "echo", "params": {}}).get_json()["task"] == "echo"


@pytest.mark.parametrize(
    ("body", "status", "word"),
    [
        ({"params": {"operations": ["explode=1"]}}, 422, "explode"),
        ({"params": []}, 400, "params"),
        ({"task": "nosuch"}, 404, "nosuch"),
        ({"priority": 10}, 400, "priority"),
        ({"image": "x"}, 400, "image"),
    ],
)
def test_changes_that_cannot_be_are_refused_by_name(front: FlaskClient, body: Any, status: int, word: str) -> None:
    refused(front.post(f"/v1/jobs/{submit(front)}/again", json=body), status, word)


def test_a_file_that_is_damaged_is_told_and_not_shown(front: FlaskClient) -> None:
    job_id = submit(front)
    entry = farm_of(front).spool.find(job_id)
    assert entry is not None
    Path(entry.path).write_bytes(b"no job")
    told = front.get(f"/v1/jobs/{job_id}/inputs").get_json()
    assert told["kept"] is False
    assert "damaged" in told["reason"]
    farm_of(front).cancel(job_id)


def test_the_log_of_a_dead_letter_ends_even_when_its_result_has_expired(front: FlaskClient) -> None:
    farm = farm_of(front)
    job = Job("echo", durable=True, priority=0)
    farm.spool.put(job)
    farm.results.write_log(job.id, log="the last words")
    bury(farm.spool, job)
    farm.remove_result(job.id)
    text = front.get(f"/v1/jobs/{job.id}/events").text
    assert text.count("the last words") >= 1
    assert text.count("event: end") == 1


def test_previews_are_made_by_a_process_that_knows_no_secret_and_is_started_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FARM_API_KEY", "secret")
    previews = Previews(10_000)
    assert previews.make(("a", 0, 16), small())
    process = previews._process
    assert process is not None
    assert b"secret" not in Path(f"/proc/{process.pid}/environ").read_bytes()
    process.kill()
    process.wait()
    assert previews.known(("a", 0, 16))
    assert previews.make(("b", 0, 16), small())
    assert previews.make(("c", 0, 16), encoded(Image.new("RGB", (101, 100)))) == b""  # more pixels than it may decode
    previews.close()
