"""Tables: by rulings and by columns of text, on made-up lines in drawn pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
import pytest

from spoolfarm.tasks.ocr import layout, tables
from spoolfarm.tasks.ocr.box import Box
from spoolfarm.tasks.ocr.page import Line, Word
from spoolfarm.tasks.ocr.table import Spot, Table, disjoint

XS, YS = (60, 240, 420, 600), (60, 110, 160, 210)


def blank() -> np.ndarray:
    return np.full((300, 700, 3), 255, np.uint8)


def text(words: str, left: float, middle: float, height: float = 24) -> Line:
    """A line whose letters are half as wide as high."""
    width = len(words) * height / 2
    parts, at = [], 0
    for word in words.split():
        at = words.index(word, at)
        parts.append(Word(word, at / len(words), (at + len(word)) / len(words)))
        at += len(word)
    return Line(Box(left + width / 2, middle, width, height, 0), words, 1, 1, words=tuple(parts))


def filled() -> list[Line]:
    return [
        text(f"{name}{row}", x + 20, y + 25)
        for row, y in enumerate(YS[:-1])
        for name, x in zip("abc", XS, strict=False)
    ]


def ruled(picture: np.ndarray, shade: int = 0, *, sides: bool = True) -> np.ndarray:
    for x in XS if sides else XS[1:-1]:
        cv2.line(picture, (x, YS[0]), (x, YS[-1]), (shade,) * 3, 2)
    for y in YS:
        cv2.line(picture, (XS[0], y), (XS[-1], y), (shade,) * 3, 2)
    return picture


def found(picture: np.ndarray, lines: Sequence[Line], rotation: int = 0) -> list[Table]:
    return tables.find(picture, layout.arrange(lines, rotation, "auto")[0], rotation)


def grid(table: Table) -> list[list[str]]:
    return [[cell.text for cell in table.cells if cell.row == row] for row in range(table.rows)]


WHOLE = [[f"{name}{row}" for name in "abc"] for row in range(3)]


@pytest.mark.parametrize("shade", [0, 215])
@pytest.mark.parametrize("sides", [True, False], ids=["closed", "open"])
def test_a_ruled_table_has_the_cells_between_its_rulings(shade: int, sides: bool) -> None:
    (table,) = found(ruled(blank(), shade, sides=sides), filled())
    assert table.ruled
    assert grid(table) == WHOLE


def test_a_cell_goes_over_the_rows_and_columns_that_no_ruling_parts() -> None:
    picture = ruled(blank())
    cv2.line(picture, (XS[1], YS[0] + 3), (XS[1], YS[1] - 3), (255,) * 3, 4)  # the first two cells of the first row
    cv2.line(picture, (XS[2] + 3, YS[2]), (XS[3] - 3, YS[2]), (255,) * 3, 4)  # the last two of the last column
    (table,) = found(picture, [line for line in filled() if line.text not in ("b0", "c2")])
    spans = {cell.text: (cell.rows, cell.columns) for cell in table.cells}
    assert spans == {"a0": (1, 2), "c0": (1, 1), "a1": (1, 1), "b1": (1, 1), "c1": (2, 1), "a2": (1, 1), "b2": (1, 1)}


def test_a_stroke_that_parts_no_cells_is_no_ruling() -> None:
    picture = ruled(blank())
    cv2.line(picture, (XS[0] + 20, 85), (XS[0] + 100, 85), (0, 0, 0), 2)
    (table,) = found(picture, filled())
    assert grid(table) == WHOLE


def test_a_line_across_a_ruling_is_parted_at_it() -> None:
    lines = [line for line in filled() if line.text not in ("a1", "b1")]
    (table,) = found(ruled(blank()), [*lines, text("left one right", XS[1] - 108, YS[1] + 25)])
    assert grid(table)[1] == ["left one", "right", "c1"]


def test_rows_that_no_ruling_parts_are_rows_all_the_same() -> None:
    picture = blank()
    for x in XS:
        cv2.line(picture, (x, YS[0]), (x, YS[-1]), (0, 0, 0), 2)
    for y in (YS[0], YS[1], YS[-1]):
        cv2.line(picture, (XS[0], y), (XS[-1], y), (0, 0, 0), 2)
    lines = filled() + [text(f"{name}3", x + 20, 195) for name, x in zip("abc", XS, strict=False)]
    lines = [replace(line, box=replace(line.box, cy=line.box.cy - 10 * int(line.text[1] == "2"))) for line in lines]
    lines = [replace(line, box=replace(line.box, h=20)) for line in lines]
    (table,) = found(picture, lines)
    assert grid(table) == [*WHOLE, ["a3", "b3", "c3"]]


def test_a_table_without_rulings_is_seen_by_its_columns() -> None:
    lines = [line for line in filled() if line.text != "b1"]
    (table,) = found(blank(), lines)
    assert not table.ruled
    assert grid(table) == [["a0", "b0", "c0"], ["a1", "", "c1"], ["a2", "b2", "c2"]]


def test_a_heading_over_two_columns_is_a_cell_of_both() -> None:
    heading = text("a heading of both", XS[1] + 10, YS[0] - 15, 22)
    (table,) = found(blank(), [text("name", XS[0] + 20, YS[0] - 15), heading, *filled()])
    first = [(cell.column, cell.columns, cell.text) for cell in table.cells if cell.row == 0]
    assert first == [(0, 1, "name"), (1, 2, "a heading of both")]


@pytest.mark.parametrize("angle", [0, 90, 180, 270, 3])
def test_a_turned_table_is_the_same_and_lies_where_it_is_seen(angle: int) -> None:
    turn = cv2.getRotationMatrix2D((350, 350), -angle, 1.0)
    square = np.full((700, 700, 3), 255, np.uint8)
    square[:300] = ruled(blank())
    picture = cv2.warpAffine(square, turn, (700, 700), borderValue=(255,) * 3)
    lines = []
    for line in filled():
        cx, cy = turn @ (line.box.cx, line.box.cy, 1)
        lines.append(replace(line, box=replace(line.box, cx=float(cx), cy=float(cy), angle=(angle + 180) % 360 - 180)))
    (table,) = found(picture, lines, round(angle / 90) * 90)
    assert grid(table) == WHOLE
    corners = np.array(
        [turn @ (x, y, 1) for x, y in ((XS[0], YS[0]), (XS[-1], YS[0]), (XS[-1], YS[-1]), (XS[0], YS[-1]))]
    )
    assert np.abs(np.array(table.poly) - corners).max() < 8


def test_prose_a_frame_and_an_empty_page_are_no_tables() -> None:
    prose = [text("and so the words go on and on", 60, 60 + 30 * row) for row in range(6)]
    framed = blank()
    cv2.rectangle(framed, (40, 30), (660, 280), (0, 0, 0), 2)
    assert found(framed, prose) == []
    two = [*prose, *(text("beside it stands more of them", 430, 60 + 30 * row) for row in range(6))]
    assert found(blank(), [replace(line, box=replace(line.box, w=340)) for line in two]) == []
    assert found(ruled(blank()), []) == []


def test_each_cell_knows_its_lines() -> None:
    lines = layout.arrange(filled(), 0, "auto")[0]
    (table,) = tables.find(ruled(blank()), lines, 0)
    assert [[lines[number].text for number in cell.lines] for cell in table.cells] == [
        [cell.text] for cell in table.cells
    ]
    assert math.isclose(sum(len(cell.lines) for cell in table.cells), len(lines))


def test_spots_that_meet_are_joined_with_whatever_the_joined_one_meets() -> None:
    corner = [Spot(0, 0, 1, 2), Spot(0, 1, 2, 2), Spot(1, 0, 2, 1)]  # the last meets only what the others become
    beside = [Spot(0, 2, 1, 3), Spot(2, 1, 3, 2)]  # edge to edge, and corner to corner
    assert disjoint([*beside, *corner]) == [Spot(0, 0, 2, 2), *beside]


def test_the_cells_of_a_large_grid_stay_apart() -> None:
    cells = [Spot(row, column, row + 1, column + 1) for row in range(100) for column in range(50)]
    assert disjoint(cells[::-1]) == cells
