"""A worker whose result the disk does not take loses no job."""

from __future__ import annotations

import errno
import os
from typing import Any

import pytest

from spoolfarm.farm.farm import Farm
from spoolfarm.spool.results import Results
from spoolfarm.tasks.echo import Echo
from spoolfarm.worker import worker as worker_module
from spoolfarm.worker.executors.local import LocalExecutor
from spoolfarm.worker.worker import Worker


def test_a_result_that_the_disk_does_not_take_is_kept_until_it_does(
    farm: Farm, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    show, tries = Results.show, []

    def full(results: Results, result: Any, *, sync: bool) -> bool:
        tries.append(result)
        if len(tries) <= 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        return show(results, result, sync=sync)

    monkeypatch.setattr(Results, "show", full)
    monkeypatch.setattr(worker_module, "DISK_RETRY", 0.01)
    job = farm.submit("echo", n=1)
    worker = Worker(farm, LocalExecutor({"echo": Echo()}), lambda done: done >= 1)
    worker.run("w1")
    assert job.wait(5) == {"params": {"n": 1}, "bytes": 0}
    assert len(tries) == 4
    assert caplog.text.count("the result cannot be written") == 1
    assert job.record()["attempts"] == 1


def test_a_worker_that_is_told_to_end_while_the_disk_is_full_gives_the_job_back(
    farm: Farm, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = farm.submit("echo")
    worker = Worker(farm, LocalExecutor({"echo": Echo()}), lambda done: False)

    def full(results: Results, result: Any, *, sync: bool) -> bool:
        worker.stop()
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Results, "show", full)
        worker.run("w1")
    assert job.status() == "queued"
    assert job.record()["attempts"] == 0
    assert os.listdir(farm.spool.active) == []
