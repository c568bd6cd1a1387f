"""The farm as a library: submit, wait, call, look, cancel, retry."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from spoolfarm.config import Settings
from spoolfarm.errors import (
    InvalidParams,
    InvalidRequest,
    JobCancelled,
    JobFailed,
    SpoolFull,
    UnknownJob,
    UnknownTask,
    UnsupportedMedia,
    WaitTimeout,
)
from spoolfarm.farm.farm import Farm
from spoolfarm.spool.buckets import SyncedBuckets, bucket
from spoolfarm.spool.job import new_id
from tests.support.running_farm import until
from tests.support.spool_tree import fork
from tests.support.thread_workers import left, settings, worker, working

__all__ = ["settings", "worker"]


# Submit, wait, call.


@pytest.mark.usefixtures("worker")
def test_a_call_returns_the_result_and_leaves_nothing_behind(farm: Farm) -> None:
    assert farm.call("echo", b"bytes", n=1, seconds=0.01) == {"params": {"n": 1, "seconds": 0.01}, "bytes": 5}
    until(lambda: not left(farm))  # the worker lets go of the job after its result is visible


@pytest.mark.usefixtures("worker")
def test_a_submitted_job_can_be_asked_waited_for_and_read_again(farm: Farm) -> None:
    job = farm.submit("echo", b"bytes", n=2)
    assert job.wait(30) == {"params": {"n": 2}, "bytes": 5}
    assert job.wait() == {"params": {"n": 2}, "bytes": 5}
    assert job.status() == "succeeded"
    assert job.cancel() is False
    assert job.id in repr(job)
    record = job.record()
    assert record["created"] <= record["started"] <= record["finished"]


def test_a_job_is_queued_then_running_then_ended(farm: Farm) -> None:
    job = farm.submit("echo", seconds=0.3)
    assert job.status() == "queued"
    assert job.record()["started"] is None
    with working(farm):
        until(lambda: job.status() == "running")
        running = job.record()
        assert running["attempts"] == 1
        assert abs(running["started"] - time.time()) < 60
        until(lambda: (job.record()["progress"] or 0) > 0)
        until(lambda: job.status() == "succeeded")


@pytest.mark.usefixtures("worker")
def test_a_task_that_raises_fails_its_job_with_what_it_said(farm: Farm) -> None:
    with pytest.raises(JobFailed, match="LookupError: nothing there") as caught:
        farm.call("fails")
    assert caught.value.code == "task_error"
    assert caught.value.record["status"] == "failed"
    job = farm.submit("fails")
    with pytest.raises(JobFailed, match="nothing there"):
        job.wait(30)
    until(lambda: farm.spool.dead.ids() == [job.id])


def test_whoever_waits_too_short_can_still_collect(farm: Farm) -> None:
    with pytest.raises(WaitTimeout) as caught:
        farm.call("echo", timeout=0.05, n=1)
    with pytest.raises(WaitTimeout):
        farm.wait(caught.value.job_id, 0.05)
    with working(farm):
        assert farm.wait(caught.value.job_id, 30) == {"params": {"n": 1}, "bytes": 0}


def test_a_wait_may_last_no_time(farm: Farm) -> None:
    job = farm.submit("echo")
    assert farm.wait_record(job.id, 0)["status"] == "queued"


def test_what_can_never_work_is_refused_at_once(farm: Farm) -> None:
    with pytest.raises(UnknownTask, match="there are echo, fails, pairs, picky"):
        farm.submit("nothing")
    with pytest.raises(InvalidRequest, match="picky needs one image in the field image; none was sent"):
        farm.submit("picky")
    with pytest.raises(UnsupportedMedia):
        farm.submit("picky", b"no picture")
    with pytest.raises(InvalidParams, match=r"params\.seconds: .* greater than or equal to 0"):
        farm.submit("echo", seconds=-1)
    for priority in (-1, 10, "5", 1.5):
        with pytest.raises(InvalidParams, match="priority: must be a whole number from 0 to 9"):
            farm.submit("echo", priority=priority)  # type: ignore[arg-type]
    assert left(farm) == []


def test_a_full_farm_refuses_and_takes_again_what_has_room(farm: Farm, tmp_path: Path) -> None:
    small = Farm(settings=replace(farm.settings, max_queued=2))
    jobs = [small.submit("echo") for _ in range(2)]
    with pytest.raises(SpoolFull, match="2 jobs are waiting"):
        small.submit("echo")
    jobs[0].cancel()

    def accepted() -> bool:
        try:
            small.submit("echo")
        except SpoolFull:
            return False
        return True

    until(accepted)
    small.close()


@pytest.mark.usefixtures("worker")
def test_one_bad_job_of_a_batch_fails_alone(farm: Farm) -> None:
    jobs = [farm.prepare("pairs", [data], {}, durable=True) for data in (b"good", b"bad", b"fine")]
    for job in jobs:
        farm.put(job)
    assert farm.wait(jobs[0].id, 30) in (1, 2)
    with pytest.raises(JobFailed, match="cannot stand it"):
        farm.wait(jobs[1].id, 30)
    assert farm.wait(jobs[2].id, 30) in (1, 2)


# Look.


@pytest.mark.usefixtures("worker")
def test_jobs_are_listed_newest_first_and_by_what_one_asks_for(farm: Farm) -> None:
    ids = [farm.submit("echo", n=number).id for number in range(3)]
    ids.append(farm.submit("fails").id)
    until(lambda: all(map(farm.results.exists, ids)))
    assert [record["id"] for record in farm.jobs()] == ids[::-1]
    assert [record["id"] for record in farm.jobs(limit=2)] == ids[:1:-1]
    assert [record["id"] for record in farm.jobs(before=ids[2])] == ids[1::-1]
    assert [record["id"] for record in farm.jobs(status="failed")] == ids[3:]
    assert [record["id"] for record in farm.jobs(status="succeeded", task="echo", limit=1)] == [ids[2]]
    assert farm.jobs(task="fails", status="queued") == []


def test_queued_and_running_jobs_are_listed(farm: Farm) -> None:
    first, second = farm.submit("echo", seconds=30), farm.submit("echo")
    assert [record["status"] for record in farm.jobs()] == ["queued", "queued"]
    with working(farm):
        until(lambda: farm.jobs(status="running"))
        assert [record["id"] for record in farm.jobs(status="running")] == [first.id]
        assert [record["id"] for record in farm.jobs(status="queued")] == [second.id]
        first.cancel()


def plant(farm: Farm, name: str) -> str:
    """The path of a queued job file that is still to be made."""
    path = bucket(farm.spool.queue, "echo", 5, name).path
    os.makedirs(path, exist_ok=True)
    return f"{path}/{name}.a0"


KINDS: dict[str, Callable[[str], Any]] = {
    "empty": lambda path: Path(path).touch(),
    "junk": lambda path: Path(path).write_bytes(b"junk\n\xff"),
    "half": lambda path: Path(path).write_bytes(b'{"id":'),
    "fifo": os.mkfifo,
    "link": lambda path: os.symlink("/etc/passwd", path),
    "directory": os.mkdir,
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_job_in_the_queue_hides_no_job_from_whoever_looks(kind: str, farm: Farm) -> None:
    job, bad = farm.submit("echo"), new_id()
    KINDS[kind](plant(farm, bad))

    def look() -> None:
        assert {record["id"] for record in farm.jobs()} == {job.id, bad}
        assert farm.record(bad)["status"] == "queued"

    pid = fork(look)
    try:
        until(lambda: os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT))
    finally:
        os.kill(pid, signal.SIGKILL)  # not reaped yet
        _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0


def test_a_follower_sees_states_lines_and_the_record(farm: Farm) -> None:
    job = farm.submit("echo", seconds=0.3)
    events = farm.follow(job.id)
    assert next(events) == {"status": "queued"}
    with working(farm):
        seen = [event for event in events if event]
    assert {"status": "running"} in seen
    assert any("progress" in event for event in seen)
    assert seen[-1]["record"]["status"] == "succeeded"
    with pytest.raises(UnknownJob):
        list(farm.follow(new_id()))


def test_workers_that_are_ready_are_listed(farm: Farm) -> None:
    assert farm.workers() == []
    with working(farm, 2):
        until(lambda: len(farm.workers()) == 2)
        assert {worker["pid"] for worker in farm.workers()} == {os.getpid()}
        assert farm.workers()[0]["tasks"] == ["echo", "fails", "pairs", "picky"]
    assert farm.workers() == []


# Change one's mind.


def test_a_queued_job_that_is_cancelled_says_so_to_whoever_waits(farm: Farm) -> None:
    job = farm.submit("echo")
    assert job.cancel() is True
    with pytest.raises(JobCancelled, match="cancelled"):
        job.wait(5)
    assert job.status() == "cancelled"


@pytest.mark.usefixtures("worker")
def test_a_running_job_that_is_cancelled_ends_soon(farm: Farm) -> None:
    job = farm.submit("echo", seconds=60)
    until(lambda: job.status() == "running")
    assert job.cancel() is True
    with pytest.raises(JobCancelled):
        job.wait(20)


def test_a_dead_letter_can_be_tried_again(farm: Farm) -> None:
    job = farm.submit("fails")
    with working(farm):
        with pytest.raises(JobFailed):
            job.wait(30)
        until(farm.spool.dead.ids)
    again = farm.retry(job.id)
    assert again.id == job.id
    assert again.status() == "queued"
    assert farm.spool.dead.ids() == []
    with pytest.raises(UnknownJob, match="no dead letter"):
        farm.retry(job.id)


def test_a_retry_that_a_crash_cut_short_is_queued_and_not_failed(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    class Crash(BaseException):
        pass

    def crash(buckets: SyncedBuckets, place: Any) -> None:
        raise Crash

    job = farm.submit("fails")
    with working(farm):
        until(farm.spool.dead.ids)
        until(lambda: not farm.spool.running() or not any(farm.spool.running().values()))
    monkeypatch.setattr(SyncedBuckets, "sync", crash)
    with pytest.raises(Crash):
        farm.retry(job.id)
    assert farm.record(job.id)["status"] == "queued"


def test_an_ended_letter_still_says_why_when_its_result_has_expired(farm: Farm) -> None:
    job = farm.submit("fails")
    with working(farm):
        until(farm.spool.dead.ids)
    farm.results.remove(job.id)
    record = job.record()
    assert (record["status"], record["error"]) == ("failed", "LookupError: nothing there")


def test_a_job_nobody_waits_for_is_forgotten_wherever_it_is(farm: Farm) -> None:
    queued = farm.submit("echo")
    farm.forget(queued.id)
    assert left(farm) == []
    with working(farm):
        ended = farm.submit("echo")
        ended.wait(30)
        running = farm.submit("echo", seconds=60)
        until(lambda: running.status() == "running")
        farm.forget(running.id)
        farm.forget(ended.id)
        until(lambda: not any(farm.spool.running().values()))  # the worker lets go after its result is visible
        assert running.status() == "cancelled"
        farm.spool.reclaim()
        farm.forget(running.id)
    farm.forget(new_id())
    assert left(farm) == []


def test_what_is_past_its_time_is_swept(farm: Farm) -> None:
    job = farm.submit("fails")
    with working(farm):
        until(farm.spool.dead.ids)
    farm.sweep()
    assert job.status() == "failed"
    quick = Farm(settings=replace(farm.settings, result_ttl=0.01, dead_ttl=0.01))

    def swept() -> bool:
        quick.sweep()
        return not left(farm)

    until(swept)
    quick.close()
    with pytest.raises(UnknownJob):
        job.status()


@pytest.mark.parametrize("ask", [Farm.record, Farm.wait, Farm.cancel, Farm.retry], ids=lambda ask: ask.__name__)
@pytest.mark.parametrize("job_id", ["0" * 24, "..", "../spool/queue", "", "\0"], ids=repr)
def test_what_is_no_job_is_said_to_be_none(farm: Farm, ask: Callable[[Farm, str], Any], job_id: str) -> None:
    with pytest.raises(UnknownJob):
        ask(farm, job_id)


def test_a_farm_is_where_its_settings_say_or_where_one_says(settings: Settings, tmp_path: Path) -> None:
    here = Farm(settings=settings)
    assert here.spool.root == str(tmp_path / "spool")
    there = Farm(tmp_path / "other", str(tmp_path / "answers"), settings=settings)
    assert (there.spool.root, there.results.root) == (str(tmp_path / "other"), str(tmp_path / "answers"))


def test_a_job_with_large_parameters_is_shown_with_its_task(farm: Farm) -> None:
    job = farm.submit("echo", note="x" * 3 * 2**20)
    assert job.record()["task"] == "echo"
    assert [record["id"] for record in farm.jobs(task="echo")] == [job.id]
