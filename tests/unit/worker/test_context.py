"""The context: what a task tells is JSON, whatever it says."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy
import pytest

from spoolfarm.errors import InvalidParams
from spoolfarm.farm.farm import Farm
from spoolfarm.spool.job import Job
from spoolfarm.spool.jobfile import Claim
from spoolfarm.worker.context import RunContext


def context(farm: Farm) -> tuple[RunContext, str]:
    job = Job("echo")
    return RunContext(farm, [Claim(job, "", 0.0)], lambda: False), job.id


@pytest.mark.parametrize(
    ("said", "shown"),
    [(0.25, 0.25), (numpy.float32(0.5), 0.5), (2, 1.0), (-1, 0.0), (math.nan, None), (math.inf, None)],
)
def test_progress_is_a_number_from_0_to_1_or_nothing(farm: Farm, said: Any, shown: float | None) -> None:
    told, job_id = context(farm)
    told.progress(said)
    assert farm.results.progress(job_id) == shown


def test_a_progress_that_is_no_number_holds_back_no_other(farm: Farm) -> None:
    told, job_id = context(farm)
    told.progress(math.nan)
    told.progress(0.5)
    assert farm.results.progress(job_id) == 0.5


@pytest.mark.parametrize("said", [b"bytes", math.nan, None, {"a": {1}}])
def test_a_log_line_that_is_no_text_is_made_one(farm: Farm, said: Any) -> None:
    told, job_id = context(farm)
    told.log(said)
    assert [line["log"] for line in farm.results.read_log(job_id)] == [str(said)]


def test_a_log_that_somebody_else_wrote_has_no_numbers_that_json_has_not(farm: Farm) -> None:
    _, job_id = context(farm)
    Path(f"{farm.results.root}/{job_id}.log").write_text('{"at": 1, "progress": NaN}\n{"at": 2, "progress": 0.5}\n')
    assert [line["progress"] for line in farm.results.read_log(job_id)] == [0.5]


def test_a_parameter_that_json_cannot_say_is_refused_when_the_job_is_put(farm: Farm) -> None:
    with pytest.raises(InvalidParams, match="JSON"):
        farm.submit("echo", x=math.nan)
    assert farm.unfinished() == []
    assert json.loads(farm.submit("echo", x=1.5).id.join('""'))
