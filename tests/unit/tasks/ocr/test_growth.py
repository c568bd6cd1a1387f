"""How far boxes go beyond the cores of their lines: up to the next one in the same line, and no further."""

from __future__ import annotations

import pytest

from spoolfarm.tasks.ocr import growth
from spoolfarm.tasks.ocr.box import Box


def grown(*cores: Box, bent: bool = False) -> list[Box]:
    return growth.boxes(cores, [bent] * len(cores))


@pytest.mark.parametrize("angle", [0, 8, -20])
def test_the_boxes_of_two_cores_in_one_line_meet_between_them(angle: float) -> None:
    alone = grown(Box(0, 0, 200, 12, angle))[0]
    left, right = grown(Box(0, 0, 200, 12, angle), Box(220, 220 * _slope(angle), 200, 12, angle))
    (_, _, (x, y), _), (_, _, _, (other_x, other_y)) = left.corners(), right.corners()
    assert (x, y) == (pytest.approx(other_x, abs=4), pytest.approx(other_y, abs=4))
    assert left.w < alone.w
    assert left.h == alone.h
    assert left.corners()[0] == pytest.approx(alone.corners()[0])


def _slope(angle: float) -> float:
    return {0: 0.0, 8: 0.1405, -20: -0.364}[int(angle)]


def test_the_boxes_of_vertical_lines_below_each_other_meet_too() -> None:
    upper, lower = grown(Box(50, 100, 12, 180, 0), Box(51, 300, 12, 180, 0))
    bottom, top = max(y for _, y in upper.corners()), min(y for _, y in lower.corners())
    assert bottom == pytest.approx(top)
    assert 190 < bottom < 210


@pytest.mark.parametrize(
    "other",
    [Box(400, 0, 200, 12, 0), Box(220, 20, 200, 12, 0), Box(220, 0, 12, 200, 0)],
    ids=["far", "below", "across"],
)
def test_a_box_goes_as_far_as_it_does_alone_where_nothing_follows_in_its_line(other: Box) -> None:
    core = Box(0, 0, 200, 12, 0)
    assert grown(core, other)[0] == grown(core)[0]


def test_a_bent_line_keeps_its_middle() -> None:
    first, second = Box(0, 0, 200, 12, 0), Box(215, 0, 200, 12, 0)
    assert [(box.cx, box.cy) for box in grown(first, second, bent=True)] == [(0, 0), (215, 0)]


def test_nothing_grows_out_of_nothing() -> None:
    assert grown() == []
