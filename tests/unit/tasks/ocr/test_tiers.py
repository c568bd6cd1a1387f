"""Vertical lines in tiers, one below the other, as in newspapers; on made-up lines."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
import pytest

from spoolfarm.tasks.ocr import layout
from spoolfarm.tasks.ocr.box import Box
from spoolfarm.tasks.ocr.page import Line, Word

#: Pixels that the box of a line reaches beyond its letters.
END = 14
SIGNS = "零一二三四五六七八九"


def tier(number: int, top: float, count: int = 8, height: float = 240, right: float = 600) -> list[Line]:
    """Lines of *height* from the right to the left, each saying its tier and its number."""
    return [
        Line(Box(right - 40 * line, top + height / 2, height, 34, 90), SIGNS[number] * 5 + SIGNS[line] * 3, 1, 1)
        for line in range(count)
    ]


def read(lines: Sequence[Line], picture: np.ndarray | None = None) -> list[str]:
    shuffled = random.Random(1).sample(list(lines), len(lines))
    return layout.arrange(shuffled, 0, "auto", picture=picture)[1].split("\n")


def inked(lines: Sequence[Line], *rulings: float) -> np.ndarray:
    """A picture of *lines*, each letter a box with a stroke, and of rulings across it."""
    picture = np.full((800, 700, 3), 255, np.uint8)
    for line in lines:
        start, side = line.box.cy - line.box.w / 2 + END, (line.box.w - 2 * END) / len(line.text)
        for place in range(len(line.text)):
            left, top = round(line.box.cx - 12), round(start + side * place + 2)
            cv2.rectangle(picture, (left, top), (left + 24, top + round(side) - 4), (0, 0, 0), 2)
            cv2.line(picture, (left + 12, top), (left + 12, top + round(side) - 4), (0, 0, 0), 2)
    for y in rulings:
        cv2.line(picture, (0, round(y)), (700, round(y)), (0, 0, 0), 2)
    return picture


def as_one(first: Line, second: Line) -> Line:
    """Two lines below each other, taken for one."""
    start, end = first.box.cy - first.box.w / 2, second.box.cy + second.box.w / 2
    text = first.text + second.text
    box = replace(first.box, cy=(start + end) / 2, w=end - start)
    return replace(first, box=box, text=text, words=(Word(text, 0, 1),))


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


@pytest.mark.parametrize("rulings", [(), (240,)], ids=["white", "ruled"])
@pytest.mark.parametrize("merged", [(0,), (7,), (0, 3, 4, 7), range(8)], ids=["first", "last", "several", "all"])
def test_lines_of_two_tiers_that_were_taken_for_one_are_parted_at_the_gap(
    merged: Sequence[int], rulings: tuple[float, ...]
) -> None:
    upper, lower = tier(1, 0), tier(2, 240)
    picture = inked([*upper, *lower], *rulings)
    pairs = list(enumerate(zip(upper, lower, strict=True)))
    lines = [as_one(*pair) for number, pair in pairs if number in merged]
    lines += [line for number, pair in pairs if number not in merged for line in pair]
    assert read(lines, picture) == said(upper, lower)


def test_a_long_line_with_a_gap_elsewhere_stays_whole_beside_tiers() -> None:
    upper, lower = tier(2, 0, right=400, count=6), tier(3, 240, right=400, count=6)
    halves = tier(1, 0, height=340, count=4), tier(1, 340, height=140, count=4)
    long = [as_one(*pair) for pair in zip(*halves, strict=True)]
    picture = inked([*upper, *lower, *halves[0], *halves[1]])
    assert read([*long, *upper, *lower], picture) == said(long, upper, lower)


def test_a_list_of_short_names_with_gaps_at_one_height_is_no_two_tiers() -> None:
    family, given = tier(1, 0, height=90), tier(2, 90, height=90)
    names = [as_one(*pair) for pair in zip(family, given, strict=True)]
    assert read(names, inked([*family, *given])) == said(names)


def test_pieces_of_lines_that_end_far_down_are_no_tier() -> None:
    def piece(text: str, x: float, start: float, end: float) -> Line:
        return Line(Box(x, (start + end) / 2, end - start, 34, 90), text, 1, 1)

    heading = piece("地球的气候", 600, 0, 310)
    ends = {"农业": (0, 200), "课长": (210, 310), "山": (330, 380), "本": (390, 440)}
    name = [piece(text, 560, *each) for text, each in ends.items()]
    torn = [piece("新年的气候年年变化", 518, 0, 490), piece("不同", 521, 500, 600)]
    rest = tier(1, 0, height=600, right=480, count=6)
    expected = [heading.text, " ".join(each.text for each in name), " ".join(each.text for each in torn), *said(rest)]
    assert [" ".join(line.split()) for line in read([heading, *name, *torn, *rest])] == expected
