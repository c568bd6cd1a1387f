"""A disk that takes nothing: results wait for it, and no job is lost."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from spoolfarm.farm.farm import Farm
from spoolfarm.spool.results import Results
from spoolfarm.tasks.echo import Echo
from spoolfarm.worker import worker as worker_module
from spoolfarm.worker.executors.local import LocalExecutor
from spoolfarm.worker.worker import Worker
from tests.farm.conftest import Start
from tests.support.running_farm import until


def test_a_result_that_the_disk_does_not_take_is_kept_until_it_does(
    farm: Farm, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    publish, tries = Results.publish, []

    def full(results: Results, result: Any, *, sync: bool) -> bool:
        tries.append(result)
        if len(tries) <= 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        return publish(results, result, sync=sync)

    monkeypatch.setattr(Results, "publish", full)
    monkeypatch.setattr(worker_module, "DISK_RETRY", 0.01)
    job = farm.submit("echo", n=1)
    worker = Worker(farm, LocalExecutor({"echo": Echo()}), ["echo"], lambda done: done >= 1)
    worker.run("w1")
    assert job.wait(5) == {"params": {"n": 1}, "bytes": 0}
    assert len(tries) == 4
    assert caplog.text.count("the result cannot be written") == 1
    assert job.record()["attempts"] == 1


def test_a_worker_that_is_told_to_end_while_the_disk_is_full_gives_the_job_back(
    farm: Farm, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = farm.submit("echo")
    worker = Worker(farm, LocalExecutor({"echo": Echo()}), ["echo"], lambda done: False)

    def full(results: Results, result: Any, *, sync: bool) -> bool:
        worker.stop()
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Results, "publish", full)
        worker.run("w1")
    assert job.status() == "queued"
    assert job.record()["attempts"] == 0
    assert os.listdir(farm.spool.active) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A results directory of 256 KiB."""
    path = tmp_path / "results"
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(path)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("cannot mount a tmpfs here")
    yield path
    subprocess.run(["umount", "--lazy", str(path)], check=True)


@pytest.mark.needs("root")
def test_results_wait_for_a_disk_that_is_full_and_no_job_is_lost(small_disk: Path, farm: Farm, start: Start) -> None:
    filler = small_disk / "filler"
    with pytest.raises(OSError, match="No space left"):
        filler.write_bytes(bytes(2**20))
    jobs = [farm.submit("echo", n=number) for number in range(3)]
    process = start().ready()
    until(lambda: "the result cannot be written" in process.log())
    assert {job.status() for job in jobs} <= {"queued", "running"}
    filler.unlink()
    assert [job.wait(20)["params"]["n"] for job in jobs] == [0, 1, 2]
    assert {job.record()["attempts"] for job in jobs} == {1}
