"""A disk that takes nothing: results wait for it, and no job is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from spoolfarm.farm.farm import Farm
from tests.farm.conftest import Start
from tests.support.running_farm import until


@pytest.mark.needs("root")
def test_results_wait_for_a_disk_that_is_full_and_no_job_is_lost(small_disk: Path, farm: Farm, start: Start) -> None:
    filler = small_disk / "filler"
    with pytest.raises(OSError, match="No space left"):
        filler.write_bytes(bytes(2**21))
    jobs = [farm.submit("echo", n=number) for number in range(3)]
    process = start().ready()
    until(lambda: "the result cannot be written" in process.log())
    assert {job.status() for job in jobs} <= {"queued", "running"}
    filler.unlink()
    assert [job.wait(20)["params"]["n"] for job in jobs] == [0, 1, 2]
    assert {job.record()["attempts"] for job in jobs} == {1}
