"""The client against a real farm: launcher, front and workers."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from spoolfarm import errors
from spoolfarm.client.client import Client
from spoolfarm.spool.job import Job
from spoolfarm.tasks import Context, Task
from tests.support.grumpy_farm import client, running
from tests.support.running_farm import ROOT, RunningFarm, until

__all__ = ["client", "running"]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningFarm]:
    """A farm with one worker, room for one job, and a key."""
    path = tmp_path_factory.mktemp("small")
    farm = RunningFarm(path, FARM_WORKERS=1, FARM_SIMULATIONS=0, FARM_MAX_QUEUED=1, FARM_API_KEY="open sesame")
    try:
        yield farm.start()
    finally:
        farm.stop()


# Submit.


def test_call_returns_the_result_and_leaves_nothing_behind(running: RunningFarm, client: Client) -> None:
    assert client.call("echo", b"12345", x="é") == {"params": {"x": "é"}, "bytes": 5}
    assert running.farm.results.ids() == []


def test_a_picture_is_a_path_or_bytes_or_an_array(client: Client, tmp_path: Path) -> None:
    numpy = pytest.importorskip("numpy")
    (tmp_path / "a").write_bytes(bytes(range(256)))
    assert client.call("echo", str(tmp_path / "a"))["bytes"] == 256
    assert client.call("echo", tmp_path / "a")["bytes"] == 256
    assert client.call("echo", b"xyz")["bytes"] == 3
    array = numpy.zeros((40, 30, 3), numpy.uint8)
    cv2 = pytest.importorskip("cv2")
    assert client.call("echo", array)["bytes"] == len(cv2.imencode(".png", array)[1])


def test_a_submitted_job_can_be_asked_and_waited_for(client: Client) -> None:
    job = client.submit("echo", b"x", priority=1, seconds=0.3)
    assert job.status() in ("queued", "running")
    assert job.wait(20) == {"params": {"seconds": 0.3}, "bytes": 1}
    record = job.record()
    assert (record["id"], record["status"], record["attempts"]) == (job.id, "succeeded", 1)
    assert client.wait(job.id) == record["result"]


def test_a_repeat_with_the_same_key_is_the_same_job(client: Client) -> None:
    first = client.submit("echo", key="key of this test", x=1)
    assert client.submit("echo", key="key of this test", x=1).id == first.id
    with pytest.raises(errors.KeyConflict):
        client.submit("echo", key="key of this test", x=2)


def test_a_call_that_takes_too_long_can_be_collected(client: Client) -> None:
    with pytest.raises(errors.WaitTimeout) as late:
        client.call("echo", timeout=0.1, seconds=0.8)
    assert client.wait(late.value.job_id, 20) == {"params": {"seconds": 0.8}, "bytes": 0}


def test_a_wait_that_is_over_says_so(client: Client) -> None:
    job = client.submit("echo", seconds=60)
    began = time.monotonic()
    with pytest.raises(errors.WaitTimeout) as late:
        job.wait(0.3)
    assert late.value.job_id == job.id
    assert 0.25 < time.monotonic() - began < 10
    assert job.cancel()


def test_a_wait_longer_than_one_request_is_several(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spoolfarm.client.client.SLICE", 0.1)
    assert client.call("echo", seconds=0.8) == {"params": {"seconds": 0.8}, "bytes": 0}


# Map.


def test_map_yields_every_item_once_with_its_result(client: Client) -> None:
    items = [bytes(size) for size in range(1, 61)]
    found = dict(client.map("echo", iter(items), in_flight=5))
    assert {item: result["bytes"] for item, result in found.items()} == {item: len(item) for item in items}


def test_map_takes_no_more_items_than_are_in_flight(client: Client) -> None:
    taken = itertools.count()
    pairs = client.map("echo", (b"x" for _ in taken), in_flight=3)
    for _ in range(10):
        next(pairs)
    pairs.close()  # type: ignore[attr-defined]
    assert next(taken) <= 14


def test_map_with_nothing_in_flight_is_refused_at_once(client: Client) -> None:
    with pytest.raises(ValueError, match="in_flight must be at least 1, not 0"):
        client.map("echo", [b"x"], in_flight=0)


def test_map_of_nothing_is_nothing(client: Client) -> None:
    assert list(client.map("echo", [])) == []


def test_an_item_that_fails_raises_or_is_yielded(client: Client, tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    with pytest.raises(FileNotFoundError):
        list(client.map("echo", [missing]))
    pairs = dict(client.map("echo", [missing, b"x"], return_exceptions=True))
    assert isinstance(pairs[missing], FileNotFoundError)
    assert pairs[b"x"]["bytes"] == 1
    [(_, failure)] = client.map("grumpy", [None], return_exceptions=True, why="no")
    assert isinstance(failure, errors.JobFailed)


def test_leaving_map_early_cancels_what_is_under_way(
    running: RunningFarm, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spoolfarm.client.client.SLICE", 0.2)
    with pytest.raises(FileNotFoundError):
        list(client.map("echo", [b"x", b"y", "no such file"], in_flight=3, seconds=60))
    until(lambda: not any(running.farm.spool.running().values()), what="the jobs to be cancelled")


# Ask.


def test_jobs_are_listed_newest_first_page_by_page(client: Client) -> None:
    ids = [client.submit("echo", n=number).id for number in range(5)]
    for job_id in ids:
        client.wait(job_id, 20)
    first = client.jobs(status="succeeded", task="echo", limit=3)
    assert [job["id"] for job in first] == ids[:1:-1]
    assert [job["id"] for job in client.jobs(limit=2, before=first[-1]["id"])] == ids[1::-1]
    assert client.jobs(task="grumpy", status="running") == []


def test_tasks_come_with_the_schema_of_their_parameters(client: Client) -> None:
    tasks = {task["name"]: task for task in client.tasks()}
    assert sorted(tasks) == ["echo", "grumpy"]
    assert tasks["grumpy"]["params"]["required"] == ["why"]
    assert (tasks["echo"]["min_images"], tasks["echo"]["max_images"]) == (0, 64)


def test_ready_shows_the_figures(client: Client) -> None:
    figures = client.ready()
    assert figures["status"] == "ready"
    assert figures["workers"] >= 2


def test_a_farm_without_workers_is_not_ready_and_says_why(tmp_path: Path) -> None:
    farm = RunningFarm(tmp_path, FARM_WORKERS=0, FARM_SIMULATIONS=0).start(ready=False)
    try:
        client = Client(farm.url)
        until(lambda: farm.get("/health")[0] == 200, what="the front")
        figures = client.ready()
        assert (figures["status"], figures["error"]) == ("unready", "no worker is ready")
    finally:
        farm.stop()


def test_many_threads_share_one_client(client: Client) -> None:
    found: list[int] = []

    def ask(size: int) -> None:
        found.append(client.call("echo", bytes(size))["bytes"])

    threads = [threading.Thread(target=ask, args=[size]) for size in range(1, 21)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(found) == list(range(1, 21))


# Errors.


def test_the_errors_of_the_farm_come_back_as_the_same_classes(client: Client) -> None:
    with pytest.raises(errors.UnknownTask, match="no task is called 'nothing'"):
        client.submit("nothing")
    with pytest.raises(errors.UnknownTask):
        client.call("what?")
    with pytest.raises(errors.UnknownJob):
        client.record("no such id")
    with pytest.raises(errors.UnknownJob):
        client.retry("0" * 24)
    with pytest.raises(errors.InvalidParams, match=r"params\.seconds"):
        client.call("echo", seconds=-1)
    with pytest.raises(errors.InvalidRequest, match="priority"):
        client.submit("echo", priority=10)
    with pytest.raises(errors.InvalidRequest, match="JSON"):
        client.call("echo", x=float("nan"))
    with pytest.raises(errors.InvalidRequest, match="header"):
        client.submit("echo", key="two\nlines")


def test_a_failed_job_raises_with_its_record(client: Client) -> None:
    job = client.submit("grumpy", why="too early")
    with pytest.raises(errors.JobFailed, match="ValueError: too early") as failed:
        job.wait(20)
    assert failed.value.code == "task_error"
    assert failed.value.record == job.record()


def test_a_failed_call_raises_with_what_is_known(client: Client) -> None:
    with pytest.raises(errors.JobFailed, match="ValueError: too late") as failed:
        client.call("grumpy", why="too late")
    assert failed.value.code == "task_error"
    assert failed.value.record["status"] == "failed"
    assert len(failed.value.record["id"]) == 24


def test_retry_runs_a_failed_job_again(running: RunningFarm, client: Client) -> None:
    job = client.submit("grumpy", why="again")
    with pytest.raises(errors.JobFailed):
        job.wait(20)
    first = job.record()["finished"]
    until(lambda: job.id in running.farm.spool.dead.ids(), what="the letter, which comes after the result")
    assert client.retry(job.id).id == job.id
    until(lambda: (job.record()["finished"] or 0) > first, what="the second end")
    assert job.status() == "failed"


def test_a_cancelled_job_raises(client: Client) -> None:
    job = client.submit("echo", seconds=60)
    until(lambda: job.status() == "running")
    assert job.cancel()
    with pytest.raises(errors.JobCancelled):
        job.wait(20)
    assert not job.cancel()


def test_without_the_key_a_farm_that_wants_one_refuses(small: RunningFarm) -> None:
    with pytest.raises(errors.Unauthorized) as refused:
        Client(small.url).tasks()
    assert "Bearer" in refused.value.hint
    assert Client(small.url, api_key="open sesame\n").tasks()


def test_a_full_farm_is_asked_again_until_there_is_room(small: RunningFarm) -> None:
    patient = Client(small.url, api_key="open sesame", timeout=30)
    impatient = Client(small.url, api_key="open sesame", timeout=0.5)
    running = patient.submit("echo", seconds=3)
    until(lambda: running.status() == "running")
    waiting = patient.submit("echo")
    with pytest.raises(errors.SpoolFull):
        impatient.submit("echo")
    with pytest.raises(errors.SpoolFull):
        impatient.call("echo")
    assert patient.call("echo", x=1) == {"params": {"x": 1}, "bytes": 0}
    assert waiting.status() == "succeeded"


def test_a_body_over_the_limit_is_too_large_and_not_unreachable(client: Client) -> None:
    for ask in (client.submit, client.call):
        with pytest.raises(errors.TooLarge, match="FARM_MAX_BODY_MB"):
            ask("echo", b"x" * 40_000_000)


# The page about it.


class Reader(Task):
    """Stands in for the model that reads text."""

    def run(self, batch: Sequence[Job], context: Context) -> list[Any]:
        return [{"text": "line one\nline two"}]


def test_the_examples_of_the_page_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pillow = pytest.importorskip("PIL.Image")
    for name in ("scan.jpg", "a.jpg", "b.jpg"):
        pillow.new("RGB", (40, 30)).save(tmp_path / name)
    page = (ROOT / "docs/python.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len(blocks) >= 8
    farm = RunningFarm(tmp_path, FARM_ENABLE="echo,ocr", FARM_TASKS="ocr=tests.http.test_client:Reader")
    for name, value in {**farm.given, "PYTHONPATH": str(ROOT)}.items():
        monkeypatch.setenv(name, value)
    try:
        farm.start()
        program = "\n".join(blocks).replace("http://127.0.0.1:8090", farm.url)
        said = subprocess.check_output([sys.executable, "-c", program], cwd=tmp_path, text=True, timeout=60)
    finally:
        farm.stop()
    assert said.count("line one\nline two") == 5
    assert "end succeeded" in said
