"""A job that takes too much memory ends by that name, and takes one worker with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from spoolfarm.errors import JobFailed
from tests.support.running_farm import RunningFarm, until

RUDE = "tests.support.rude_tasks"
#: MiB that a worker may hold, and that one job takes of them.
LIMIT, MUCH = 400, 4000


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[RunningFarm]:
    """One worker that may hold LIMIT MiB."""
    tasks = {"FARM_TASKS": f"hungry={RUDE}:Hungry", "FARM_ENABLE": "echo,hungry"}
    made = RunningFarm(tmp_path, FARM_WORKERS=1, FARM_MAX_MEMORY_MB=LIMIT, **tasks).start()
    yield made
    made.stop()


def test_a_job_that_takes_too_much_memory_fails_once_and_by_name(farm: RunningFarm) -> None:
    with pytest.raises(JobFailed) as caught:
        farm.farm.call("hungry", mb=MUCH, timeout=30)
    record = caught.value.record
    assert (record["code"], record["attempts"]) == ("too_much_memory", 1)
    assert f"the limit is {LIMIT} MiB (FARM_MAX_MEMORY_MB)" in record["error"]
    until(lambda: record["id"] in farm.farm.spool.dead.ids(), what="the dead letter, with which it can be tried again")
    assert farm.farm.call("hungry", mb=1, timeout=30) == 1, "and the next job is run"
    status, body = farm.post("/v1/run/hungry", {"params": {"mb": MUCH}})
    assert (status, body["code"]) == (422, "too_much_memory")


def test_jobs_that_were_run_together_with_a_greedy_one_succeed(farm: RunningFarm) -> None:
    first = farm.farm.submit("echo", seconds=1.0)
    until(lambda: first.status() == "running")
    jobs = [farm.farm.submit("hungry", mb=mb) for mb in (1, MUCH, 1)]
    until(lambda: all(farm.farm.results.exists(job.id) for job in jobs), 40)
    records = [job.record() for job in jobs]
    assert [record["status"] for record in records] == ["succeeded", "failed", "succeeded"], farm.log()
    assert (records[1]["code"], records[1]["attempts"]) == ("too_much_memory", 2), "once with the others, once alone"
