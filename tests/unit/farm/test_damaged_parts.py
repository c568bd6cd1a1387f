"""A damaged note of parts removes none but parts of its job."""

from __future__ import annotations

from pathlib import Path

import pytest

from spoolfarm.errors import JobCancelled
from spoolfarm.farm.farm import Farm
from spoolfarm.farm.subjobs import damage, noted, part_id, sweep
from spoolfarm.spool.job import Job
from spoolfarm.spool.jobfile import Claim
from tests.support.damage import damages
from tests.support.spool_tree import succeeded


def test_a_damaged_note_names_no_job_but_parts(farm: Farm) -> None:
    whole = Job("echo")
    path = f"{farm.spool.parts}/{whole.id}"
    parts = {part_id(whole.id, number) for number in range(3)}
    Path(path).write_text("".join(f"{part}\n" for part in sorted(parts)))
    assert (noted(path), damage(path)) == (parts, "")
    family = {part_id(whole.id, number) for number in range(6)}
    for data in damages(path):
        assert noted(path) <= family
        assert whole.id not in noted(path)
        assert damage(path) or set(data.decode().split()) <= family


def test_the_result_of_a_whole_outlives_a_note_that_names_it(farm: Farm) -> None:
    whole, other = Job("echo"), Job("echo")
    for job in (whole, other):
        farm.results.publish(succeeded(Claim(job, "", 0.0), "kept"), sync=False)
    Path(f"{farm.spool.parts}/{whole.id}").write_text(f"{whole.id}\n{other.id}\n{part_id(whole.id, 10**6)}\n")
    sweep(farm.spool)
    assert {farm.record(job.id)["result"] for job in (whole, other)} == {"kept"}


def test_a_part_whose_result_is_damaged_is_done_again(farm: Farm) -> None:
    whole = Job("echo")
    part = Job("echo", id=part_id(whole.id, 0))
    Path(f"{farm.spool.parts}/{whole.id}").write_text(f"{part.id}\n")
    farm.results.publish(succeeded(Claim(part, "", 0.0), 1), sync=False)
    Path(f"{farm.results.root}/{part.id}.json").write_text("{")

    def stop_when_queued() -> None:
        if farm.spool.count():
            raise JobCancelled

    with pytest.raises(JobCancelled):
        next(farm.subjobs(whole, stop_when_queued).map("echo", [(0, (b"x", {}))]))
    assert [file.id for file, _ in farm.spool.queued()] == [part.id]
