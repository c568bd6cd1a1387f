"""Rulings across a page, on drawn pages with made-up lines."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from spoolfarm.tasks.ocr import dividers, layout
from spoolfarm.tasks.ocr.box import Box
from spoolfarm.tasks.ocr.page import Line

WIDTH, HEIGHT = 760, 700


def column(name: str, left: float, top: float, count: int = 9) -> list[Line]:
    """Lines of prose, each 20 high."""
    return [
        Line(Box(left + 150, top + 26 * row, 300, 20, 0), f"{name}{row} goes on and on", 1, 1) for row in range(count)
    ]


LINES = [*column("a", 40, 60), *column("b", 380, 60), *column("c", 40, 400), *column("d", 380, 400)]


def page(*rulings: tuple[int, int, int]) -> np.ndarray:
    """A page with a stroke through each of its lines, and level rulings from left to right at a height."""
    picture = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    strokes = [(round(line.box.cx - 150), round(line.box.cx + 150), round(line.box.cy)) for line in LINES]
    for left, right, y in (*strokes, *rulings):
        cv2.line(picture, (left, y), (right, y), (60,) * 3, 2)
    return picture


def order(picture: np.ndarray | None) -> str:
    """The columns by their names, in the order in which they are read."""
    text = layout.arrange(LINES, 0, "auto", picture=picture)[1]
    names = [row[0] for row in text.split("\n")]
    return "".join(name for at, name in enumerate(names) if at == 0 or names[at - 1] != name)


def test_what_stands_above_a_ruling_across_the_page_is_read_before_what_stands_below() -> None:
    assert order(page((30, 730, 340))) == "abcd"


@pytest.mark.parametrize("rulings", [(), ((40, 340, 340),), ((40, 340, 340), (380, 680, 340))])
def test_rulings_within_columns_part_nothing(rulings: tuple[tuple[int, int, int], ...]) -> None:
    assert order(page(*rulings)) == order(None) == "acbd"


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_a_ruling_lies_where_it_is_seen_however_the_page_is_turned(turns: int) -> None:
    picture = np.ascontiguousarray(np.rot90(page((30, 730, 340)), -turns))
    turned = [Line(line.box.with_page(turns, WIDTH, HEIGHT), line.text, 1, 1) for line in LINES]
    [found] = dividers.find(picture, turned, 90 * turns, 90 * turns)
    upright = layout.level(turned, 90 * turns)
    assert found.left == pytest.approx(min(cell.left for cell in upright) - 10, abs=15)
    assert found.right == pytest.approx(max(cell.right for cell in upright) + 50, abs=15)
    assert found.y == pytest.approx((upright[8].middle + upright[18].middle) / 2 + 6, abs=4)


def test_a_ruling_of_a_page_that_is_askew_is_level_in_its_frame() -> None:
    askew = cv2.getRotationMatrix2D((0, 0), -1.5, 1)
    picture = cv2.warpAffine(page((30, 730, 340)), askew, (WIDTH, HEIGHT), borderValue=(255,) * 3)
    lines = [
        Line(Box(*(askew @ (line.box.cx, line.box.cy, 1)), line.box.w, line.box.h, 1.5), line.text, 1, 1)
        for line in LINES
    ]
    [found] = dividers.find(picture, lines, 0, 1.5)
    assert found.y == pytest.approx(340, abs=2)
    assert found.right - found.left == pytest.approx(700, abs=25)


def test_strokes_of_a_picture_that_hang_together_are_no_divider() -> None:
    picture = page()
    for y in range(290, 380, 4):
        cv2.line(picture, (100, y), (640, y), (60,) * 3, 2)
    assert dividers.find(picture, LINES, 0, 0) == []


def test_a_crease_through_lines_parts_nothing() -> None:
    close = [replace(line, box=replace(line.box, h=26)) for line in LINES]
    crease = (30, 730, 177)  # where one row ends and the next begins
    assert [round(found.y, -1) for found in dividers.find(page(crease, (30, 730, 340)), close, 0, 0)] == [340]


def test_a_stroke_that_runs_off_the_paper_parts_nothing() -> None:
    wider = np.full((HEIGHT, WIDTH + 400, 3), 255, np.uint8)
    wider[:, :WIDTH] = page()
    cv2.line(wider, (400, 340), (WIDTH + 390, 340), (60,) * 3, 2)
    assert dividers.find(wider, LINES, 0, 0) == []
