"""The lanes: each names settings that there are."""

from __future__ import annotations

import pytest

from spoolfarm.config import load, rows
from spoolfarm.tasks.lanes import GENERAL, LANES, Lane


@pytest.mark.parametrize("lane", LANES.values(), ids=LANES)
def test_a_lane_is_counted_and_timed_by_settings(lane: Lane) -> None:
    fields = {row["field"]: row["name"] for row in rows()} | {"workers": "FARM_WORKERS"}
    assert fields[lane.timeout] == lane.timeout_setting
    given = load({fields[lane.workers]: "7", lane.timeout_setting: "8.5"})
    assert (lane.count(given), lane.seconds(given)) == (7, 8.5)


def test_there_is_a_lane_for_tasks_that_name_none() -> None:
    assert GENERAL in LANES
