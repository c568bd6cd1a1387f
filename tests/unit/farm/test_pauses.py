"""Pauses of a farm: jobs are accepted and wait, who waits for them is told, and nothing runs out meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from spoolfarm.config import Settings, load
from spoolfarm.errors import UnknownTask, WaitTimeout
from spoolfarm.farm.farm import Farm
from spoolfarm.farm.gather import gather
from spoolfarm.farm.subjobs import Subjobs
from spoolfarm.spool import lease
from tests.support.running_farm import until
from tests.support.thread_workers import working


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    given = {"FARM_SPOOL_DIR": tmp_path / "spool", "FARM_RESULTS_DIR": tmp_path / "results"}
    return load({name: str(value) for name, value in {**given, "FARM_ENABLE": "echo", "FARM_MIN_FREE_MB": 0}.items()})


def test_a_paused_job_is_accepted_and_done_once_it_is_resumed(farm: Farm) -> None:
    farm.pauses.pause("echo")
    with working(farm):
        job = farm.submit("echo", n=1)
        with pytest.raises(WaitTimeout, match=r"within 0\.3 s; paused: echo, and the job waits until it is resumed"):
            job.wait(0.3)
        assert job.status() == "queued"
        farm.pauses.resume("echo")
        assert job.wait(10) == {"params": {"n": 1}, "bytes": 0}
    assert farm.pauses.names() == []


def test_who_waits_for_a_paused_job_is_told_and_finds_it_later(farm: Farm) -> None:
    farm.pauses.pause()
    with working(farm):
        with pytest.raises(WaitTimeout, match="paused: echo") as one:
            farm.answer(farm.prepare("echo", [], {}), 0.1)
        pairs = [(number, farm.prepare("echo", [], {"n": number})) for number in range(2)]
        with pytest.raises(WaitTimeout, match=r"not all 2 results .*; paused: echo") as many:
            gather(farm, pairs, 2, 0.1)
        farm.pauses.resume()
        for job_id in (one.value.job_id, *many.value.job_ids):
            assert farm.wait_record(job_id, 10)["status"] == "succeeded"


def test_only_a_task_that_is_known_is_paused_and_one_that_is_gone_can_be_resumed(farm: Farm) -> None:
    with pytest.raises(UnknownTask):
        farm.pauses.pause("nosuch")
    with pytest.raises(UnknownTask):
        farm.pauses.resume("nosuch")
    farm.spool.pause("gone")
    farm.pauses.resume("gone")
    assert farm.pauses.names() == []


def test_the_parts_of_a_document_wait_out_a_pause_that_is_not_the_documents_time(farm: Farm) -> None:
    whole = farm.prepare("echo", [], {}, durable=True)
    resting: list[bool] = []

    @contextmanager
    def rest() -> Iterator[None]:
        resting.append(True)
        farm.pauses.resume("echo")
        yield
        resting.append(False)

    farm.pauses.pause("echo")
    with working(farm):
        parts = Subjobs(farm.spool, farm.tasks, 1, whole, lambda: None, rest)
        assert len(list(parts.map("echo", [(1, (b"x", {})), (2, (b"y", {}))]))) == 2
    assert resting == [True, False]


def test_a_worker_whose_parts_are_paused_shows_that_it_waits(farm: Farm) -> None:
    from spoolfarm.spool.lease import Lease, new_worker_id

    held = Lease.take(farm.spool.workers, farm.spool.active, new_worker_id())
    held.announce({"pid": 1, "tasks": ["document"]})
    whole = farm.prepare("echo", [], {}, durable=True)
    seen: list[bool] = []

    def check() -> None:
        seen.append(lease.waits(farm.spool.workers, held.wid))
        if seen[-1]:
            farm.pauses.resume("echo")

    farm.pauses.pause("echo")
    with working(farm):
        parts = Subjobs(farm.spool, farm.tasks, 1, whole, check, held.paused)
        assert len(list(parts.map("echo", [(1, (b"x", {}))]))) == 1
    assert True in seen
    assert until(lambda: not lease.waits(farm.spool.workers, held.wid)) is not False
    held.end()
