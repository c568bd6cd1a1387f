"""The task measure over HTTP: its answer, its files, and what is said of parameters that make no sense."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests

from tests.support.drawn_scenes import png
from tests.support.http_requests import refused
from tests.support.pictures import text_of
from tests.support.running_farm import RunningFarm
from tests.unit.tasks.segment.test_measure import DISCS, discs, table


def post(farm: RunningFarm, **params: Any) -> requests.Response:
    sent = {"params": json.dumps(params)}
    return requests.post(f"{farm.url}/v1/run/measure", files={"image": png(discs())}, data=sent, timeout=60)


def test_a_job_has_the_measures_and_its_tables_as_files(live: RunningFarm) -> None:
    params = {"ruler": {"points": [[0, 10], [300, 10]], "mm": 30}, "outputs": ["csv", "xlsx", "histogram"]}
    sent = {"task": "measure", "image": text_of(png(discs())), "params": params}
    record = requests.post(f"{live.url}/v1/jobs", json=sent, headers={"Prefer": "wait=30"}, timeout=60).json()
    assert record["result"]["totals"]["count"] == len(DISCS)
    assert record["result"]["mm_per_pixel"] == 0.1
    assert sorted(record["files"]) == ["histogram.svg", "measures.csv", "measures.xlsx"]
    files = {
        name: requests.get(f"{live.url}/v1/jobs/{record['id']}/files/{name}", timeout=10) for name in record["files"]
    }
    assert len(table(files["measures.csv"].content)) == len(DISCS) + 1
    assert files["measures.xlsx"].content[:2] == b"PK"
    assert files["histogram.svg"].headers["Content-Type"].startswith("image/svg+xml")


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"mm_per_pixel": 0}, "params.mm_per_pixel"),
        ({"ruler": {"points": [[5, 5], [5, 5]], "mm": 10}}, "params.ruler.points"),
        ({"size_classes": {"a": [0, 5], "b": [4, 9]}}, "params.size_classes"),
        ({"ruler": {"points": [[5, 5], [5, 9000]], "mm": 10}}, "params.ruler.points.1"),  # only a worker can see that
    ],
)
def test_parameters_that_make_no_sense_are_a_422_that_names_the_field(
    live: RunningFarm, params: dict[str, Any], said: str
) -> None:
    refused(post(live, **params), 422, said)
