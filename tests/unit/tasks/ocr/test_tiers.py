"""Vertical lines in tiers, one below the other, as in newspapers; on made-up lines."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from spoolfarm.tasks.ocr import layout
from spoolfarm.tasks.ocr.box import Box
from spoolfarm.tasks.ocr.page import Line

SIGNS = "零一二三四五六七八九"


def tier(number: int, top: float, count: int = 8, height: float = 240, right: float = 600) -> list[Line]:
    """Lines of *height* from the right to the left, each saying its tier and its number."""
    return [
        Line(Box(right - 40 * line, top + height / 2, height, 34, 90), SIGNS[number] * 5 + SIGNS[line] * 3, 1, 1)
        for line in range(count)
    ]


def read(lines: Sequence[Line]) -> list[str]:
    shuffled = random.Random(1).sample(list(lines), len(lines))
    return layout.arrange(shuffled, 0, "auto")[1].split("\n")


def said(*tiers: Sequence[Line]) -> list[str]:
    return [line.text for each in tiers for line in each]


@pytest.mark.parametrize("gap", [30, 0, -12], ids=["apart", "close", "overlapping"])
def test_tiers_are_read_one_after_the_other(gap: int) -> None:
    upper, lower = tier(1, 0), tier(2, 240 + gap)
    assert read([*upper, *lower]) == said(upper, lower)


def test_tiers_beside_longer_lines_are_read_after_them() -> None:
    long = tier(1, 0, height=480, count=4)
    upper, lower = tier(2, 0, right=400, count=6), tier(3, 250, right=400, count=6)
    assert read([*long, *upper, *lower]) == said(long, upper, lower)


def test_one_tier_with_short_last_lines_of_paragraphs_stays_one() -> None:
    lines = tier(1, 0, height=400)
    lines[3] = Line(Box(lines[3].box.cx, 60, 120, 34, 90), lines[3].text, 1, 1)
    assert read(lines) == said(lines)


def test_a_table_beside_a_tier_is_read_before_the_next_tier() -> None:
    upper, lower = tier(1, 0, count=4), tier(2, 300)
    rows = [["月", "气温"], ["一月", "零下"], ["七月", "很热"]]
    table = [
        Line(Box(80 + 120 * column, 90 + 40 * row, 60, 30, 0), text, 1, 1)
        for row, texts in enumerate(rows)
        for column, text in enumerate(texts)
    ]
    foot = Line(Box(300, 600, 200, 30, 0), "第一页", 1, 1)
    assert read([*upper, *lower, *table, foot]) == [*said(upper), *map("\t".join, rows), *said(lower), "第一页"]


def boxes_of(rows: Sequence[Sequence[str]], left: float, top: float) -> list[Line]:
    return [
        Line(Box(left + 110 * column, top + 40 * row, 60, 30, 0), text, 1, 1)
        for row, texts in enumerate(rows)
        for column, text in enumerate(texts)
    ]


def test_a_table_to_the_right_of_a_tier_is_read_before_it() -> None:
    upper, middle, lower = tier(1, 0), tier(2, 250, right=320, count=4), tier(3, 500, right=320, count=4)
    rows = [["月", "气温"], ["一月", "零下"], ["七月", "很热"], ["九月", "温暖"]]
    table = boxes_of(rows, 420, 290)
    assert read([*upper, *middle, *lower, *table]) == [*said(upper, middle), *map("\t".join, rows), *said(lower)]
    table = boxes_of(rows, 420, 235)
    assert read([*upper, *middle, *lower, *table]) == [*said(upper), *map("\t".join, rows), *said(middle, lower)]


def test_single_digits_of_a_table_are_read_in_its_rows_though_they_were_read_lying() -> None:
    upper, lower = tier(1, 0), tier(2, 500)
    rows = [["月", "7", "2"], ["年", "6", "3"], ["日", "5", "8"]]
    table = [
        Line(Box(line.box.cx, line.box.cy, 30, 22, 90), line.text, 1, 1) if line.text.isdecimal() else line
        for line in boxes_of(rows, 200, 300)
    ]
    assert read([*upper, *lower, *table]) == [*said(upper), *map("\t".join, rows), *said(lower)]
