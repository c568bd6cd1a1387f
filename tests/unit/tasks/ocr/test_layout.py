"""The layout of a page: columns, tables and rows, on made-up lines."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import replace

import pytest

from spoolfarm.tasks.ocr import layout
from spoolfarm.tasks.ocr.box import Box
from spoolfarm.tasks.ocr.page import Line


def line(text: str, left: float, top: float, width: float, height: float = 20) -> Line:
    return Line(Box(left + width / 2, top + height / 2, width, height, 0), text, 1, 1)


def column(name: str, left: float, count: int, width: float = 300, top: float = 100) -> list[Line]:
    return [line(f"{name}{row}", left, top + 30 * row, width) for row in range(count)]


def read(lines: Sequence[Line], order: str = "auto") -> list[str]:
    shuffled = random.Random(1).sample(list(lines), len(lines))
    return layout.arrange(shuffled, 0, order)[1].split("\n")


def test_three_columns_are_read_from_left_to_right() -> None:
    lines = column("a", 0, 5) + column("b", 340, 5) + column("c", 680, 5)
    assert read(lines) == [f"{name}{row}" for name in "abc" for row in range(5)]


def test_a_line_across_the_columns_parts_what_is_above_from_what_is_below() -> None:
    above = column("a", 0, 4) + column("b", 340, 4)
    below = column("c", 0, 4, top=300) + column("d", 340, 4, top=300)
    expected = [f"{name}{row}" for name in "ab" for row in range(4)]
    expected += ["heading", *(f"{name}{row}" for name in "cd" for row in range(4))]
    assert read([*above, line("heading", 200, 250, 240), *below]) == expected


@pytest.mark.parametrize("rows", [5, 20])
@pytest.mark.parametrize("lean", [-0.08, 0.03, 0.08])
def test_columns_that_lean_in_a_photograph_are_still_columns(lean: float, rows: int) -> None:
    upright = column("a", 0, rows) + column("b", 330, rows)
    leaning = [replace(one, box=replace(one.box, cx=one.box.cx + lean * one.box.cy)) for one in upright]
    assert read([line("heading", 200, 20, 240), *leaning]) == [
        "heading",
        *(f"{name}{row}" for name in "ab" for row in range(rows)),
    ]


def test_a_page_of_few_lines_is_leant_fewer_times_for_little_moves_on_it() -> None:
    counts = [len(layout.leans(layout.level(column("a", 0, rows), 0))) for rows in (0, 1, 5, 50)]
    assert counts == [3, 3, 5, 21]


def test_rows_that_fan_out_in_a_photograph_stay_together() -> None:
    lines = []
    for row in range(12):
        slope = (row - 6) / 100
        for name, left in (("a", 0), ("b", 700)):
            box = Box(left, 40 * row + slope * (left - 350), 120, 24, math.degrees(math.atan(slope)))
            lines.append(Line(box, f"{name}{row}", 1, 1))
    assert read(lines) == [f"a{row}\tb{row}" for row in range(12)]


def test_rows_that_rise_and_fall_on_a_crumpled_page_stay_together() -> None:
    lines = [
        line(f"{row}{name}", 120 * at, 40 * row + 26 * math.sin(at / 2.5), 60, 24)
        for row in range(10)
        for at, name in enumerate("abcdef")
    ]
    assert read(lines) == ["\t".join(f"{row}{name}" for name in "abcdef") for row in range(10)]


def test_a_line_that_leans_into_the_gutter_stays_in_its_column() -> None:
    lines = column("a", 0, 6) + column("b", 340, 6)
    lines[2] = replace(lines[2], box=replace(lines[2].box, w=345, cx=172.5))
    assert read(lines) == [f"{name}{row}" for name in "ab" for row in range(6)]


def test_a_table_is_read_across_however_wide_its_cells_are() -> None:
    rng = random.Random(3)
    lines = [
        line(f"{name}{row}", left, 100 + 40 * row, rng.uniform(30, 250))
        for row in range(8)
        for name, left in (("a", 0), ("b", 340), ("c", 680))
    ]
    assert [row.split("\t") for row in read(lines)] == [[f"{name}{row}" for name in "abc"] for row in range(8)]


def test_narrow_columns_of_numbers_are_a_table() -> None:
    lines = [
        line(f"{name}{row}", left, 100 + 30 * row, 60) for row in range(6) for name, left in (("a", 0), ("b", 100))
    ]
    assert read(lines) == [f"a{row}\tb{row}" for row in range(6)]


def test_pieces_close_together_are_joined_by_a_blank_and_cells_by_a_tab() -> None:
    assert read([line("one", 0, 0, 50), line("two", 58, 2, 50), line("three", 180, -2, 50)]) == ["one two\tthree"]


def test_a_tall_piece_does_not_merge_the_rows_beside_it() -> None:
    lines = [line("logo", 0, 0, 80, 90)] + [line(f"row{row}", 150, 30 * row, 200) for row in range(3)]
    assert len(read(lines)) == 3


def test_rows_are_counted_through_the_page_and_blocks_too() -> None:
    lines = column("a", 0, 4) + column("b", 340, 4)
    placed, _ = layout.arrange(lines, 0, "auto")
    assert [(one.block, one.row) for one in placed] == [(0, row) for row in range(4)] + [
        (1, row) for row in range(4, 8)
    ]


def test_boxes_turn_by_quarters_and_come_back() -> None:
    box = Box(10, 20, 40, 8, 12)
    assert box.turned(1).angle == pytest.approx(102)
    assert (box.turned(1).w, box.turned(1).h) == (8, 40)
    assert box.turned(2).angle == pytest.approx(-168)
    assert box.turned(4) is box
    back = box.turned(1).turned(3)
    assert (back.w, back.h, back.angle) == pytest.approx((40, 8, 12))
    assert box.turned(2).corners()[0] == pytest.approx(box.corners()[2])
    for angle in (0, 90, 89.9, 45, 30, -90, 0.5):
        assert abs(Box.of_rect((0, 0), (30, 10), angle).angle) <= 45
