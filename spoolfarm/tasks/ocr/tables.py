"""The tables of a page: by its rulings, and where there are none, by its columns of text."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, groupby, pairwise
from statistics import median
from typing import Any

import cv2
import numpy as np

from spoolfarm.tasks.ocr import aligned, layout, rulings
from spoolfarm.tasks.ocr.cell import Cell
from spoolfarm.tasks.ocr.page import Line
from spoolfarm.tasks.ocr.rows import joined, rows
from spoolfarm.tasks.ocr.table import Point, Rect, Spot, Table, TableCell, disjoint

Array = np.ndarray[Any, Any]

#: A band between two rulings holds so many rows of a table, when their cells are so full, and their first cells too.
SEVERAL, FULL = 3, 0.7


def find(picture: Array, lines: Sequence[Line], rotation: int) -> list[Table]:
    """The tables of *picture*, (height, width, 3) uint8, whose *lines* are in reading order, from top to bottom."""
    if not lines:
        return []
    frame = Frame.of(picture, lines, rotation)
    cells = [Placed.of(number, line, frame) for number, line in enumerate(lines)]
    height = median(cell.height for cell in cells)
    found = []
    inside: set[int] = set()
    for grid in rulings.grids(frame.levelled(picture), height):
        held = [cell for cell in cells if grid.rect.holds(cell.centre, cell.middle)]
        if len(held) > 1 and not {cell.number for cell in held} & inside:
            inside.update(cell.number for cell in held)
            found.append(_ruled(_with_rows(grid, held), held, frame))
    rest = [cell for cell in cells if cell.number not in inside]
    for _, block in groupby(rest, key=lambda cell: cell.line.block):
        found += [_aligned(each, frame) for each in aligned.runs(rows(block))]
    return sorted(found, key=lambda table: min((n for cell in table.cells for n in cell.lines), default=0))


@dataclass(frozen=True, slots=True)
class Frame:
    """The page's own frame, where text is level: how the picture must be turned, in degrees, and its size then."""

    matrix: Array
    size: tuple[int, int]
    angle: float

    @classmethod
    def of(cls, picture: Array, lines: Sequence[Line], rotation: int) -> Frame:
        height, width = picture.shape[:2]
        angle = rotation + layout.skew([line.box for line in lines], rotation)
        cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
        turn = np.array([[cos, sin], [-sin, cos]])
        corners = np.array([(0, 0), (width, 0), (width, height), (0, height)]) @ turn.T
        least, most = corners.min(axis=0), corners.max(axis=0)
        across, down = np.ceil(most - least).astype(int)
        return cls(np.hstack([turn, -least[:, None]]), (int(across), int(down)), angle)

    def levelled(self, picture: Array) -> Array:
        """The picture in this frame."""
        if self.angle == 0:
            return picture
        return cv2.warpAffine(picture, self.matrix, self.size, borderMode=cv2.BORDER_REPLICATE)

    def point(self, x: float, y: float) -> Point:
        across, down = self.matrix @ (x, y, 1)
        return float(across), float(down)

    def poly(self, rect: Rect) -> tuple[Point, ...]:
        """The corners of a rectangle of this frame in the picture."""
        corners = [(rect.left, rect.top), (rect.right, rect.top), (rect.right, rect.bottom), (rect.left, rect.bottom)]
        back = (np.array(corners) - self.matrix[:, 2]) @ self.matrix[:, :2]
        return tuple((float(x), float(y)) for x, y in back)


@dataclass(frozen=True, slots=True)
class Placed(Cell):
    """A line in the page's own frame, and its number on the page."""

    number: int = 0

    @classmethod
    def of(cls, number: int, line: Line, frame: Frame) -> Placed:
        xs, ys = zip(*(frame.point(x, y) for x, y in line.box.corners()), strict=True)
        return cls(line, min(xs), min(ys), max(xs), max(ys), number=number)

    def parts(self, edges: Sequence[float]) -> Iterator[Placed]:
        """Itself, or when it runs across some of *edges*, its words on either side of them."""
        words = self.line.words
        if len(words) < 2 or not any(self.left + self.height < edge < self.right - self.height for edge in edges):
            yield self
            return
        places = [self.left + (word.start + word.end) / 2 * self.width for word in words]
        for _, group in groupby(zip(words, places, strict=True), key=lambda each: int(np.searchsorted(edges, each[1]))):
            told = [word for word, _ in group]
            left, right = (self.left + at * self.width for at in (told[0].start, told[-1].end))
            line = replace(self.line, text=" ".join(word.text for word in told), words=())
            yield replace(self, line=line, left=left, right=right)


def _with_rows(grid: rulings.Grid, held: Sequence[Placed]) -> rulings.Grid:
    """*grid*, and where no rulings part the rows between two of them, edges between these."""
    cuts = []
    for row, (top, bottom) in enumerate(pairwise(grid.ys)):
        low = all(spot.bottom - spot.top == 1 for spot in grid.spots if spot.top <= row < spot.bottom)
        cuts.append(_cuts([cell for cell in held if top <= cell.middle < bottom], grid.xs) if low else [])
    starts = list(accumulate((1 + len(each) for each in cuts), initial=0))
    spots = []
    for spot in grid.spots:
        first, last = starts[spot.top], starts[spot.bottom]
        edges = range(first, last + 1) if cuts[spot.top] else (first, last)
        spots += [Spot(top, spot.left, bottom, spot.right) for top, bottom in pairwise(edges)]
    ys = [edge for top, within in zip(grid.ys, [*cuts, []], strict=True) for edge in (top, *within)]
    return rulings.Grid(tuple(ys), grid.xs, tuple(sorted(spots, key=lambda spot: (spot.top, spot.left))))


def _cuts(band: Sequence[Placed], xs: Sequence[float]) -> list[float]:
    """Where the rows of a band between two rulings part, when they are rows of a table."""
    found = rows(part for cell in band for part in cell.parts(xs[1:-1]))
    columns = len(xs) - 1
    if columns < 2 or len(found) < SEVERAL:
        return []
    filled = [{int(np.searchsorted(xs, cell.centre)) for cell in row} for row in found]
    if sum(map(len, filled)) < FULL * columns * len(found):
        return []
    edges = [(max(c.bottom for c in above), min(c.top for c in below)) for above, below in pairwise(found)]
    return [(above + below) / 2 for above, below in edges]


def _ruled(grid: rulings.Grid, held: Sequence[Placed], frame: Frame) -> Table:
    parts = [part for cell in held for part in cell.parts(grid.xs[1:-1])]
    cells = []
    for spot in grid.spots:
        rect = grid.cell(spot)
        here = [part for part in parts if rect.holds(part.centre, part.middle)]
        cells.append(_cell(spot, here, frame.poly(rect)))
    return Table(len(grid.ys) - 1, len(grid.xs) - 1, True, frame.poly(grid.rect), tuple(cells))


def _aligned(table: aligned.Aligned, frame: Frame) -> Table:
    everything = [cell for row in table.rows for cell in row]
    left, right = min(cell.left for cell in everything), max(cell.right for cell in everything)
    xs = [left, *table.gaps, right + 1]
    tops = [min(cell.top for cell in row) for row in table.rows]
    bottoms = [max(cell.bottom for cell in row) for row in table.rows]
    ys = [tops[0], *((above + below) / 2 for above, below in zip(bottoms, tops[1:], strict=False)), bottoms[-1]]
    cells = []
    for number, row in enumerate(table.rows):
        spots = [(_spot(number, cell, table.gaps), cell) for cell in row]
        empty = [Spot(number, column, number + 1, column + 1) for column in range(len(xs) - 1)]
        for spot in disjoint([*(spot for spot, _ in spots), *empty]):
            here = [cell for other, cell in spots if spot.meets(other)]
            rect = Rect(xs[spot.left], ys[spot.top], xs[spot.right], ys[spot.bottom])
            cells.append(_cell(spot, here, frame.poly(rect)))
    rect = Rect(xs[0], ys[0], xs[-1], ys[-1])
    return Table(len(ys) - 1, len(xs) - 1, False, frame.poly(rect), tuple(cells))


def _spot(row: int, cell: Cell, gaps: Sequence[float]) -> Spot:
    """The columns over which a line goes: those into which it reaches by more than its height."""
    first = int(np.searchsorted(gaps, min(cell.left + cell.height, cell.centre)))
    last = int(np.searchsorted(gaps, max(cell.right - cell.height, cell.centre)))
    return Spot(row, first, row + 1, last + 1)


def _cell(spot: Spot, held: Sequence[Cell], poly: tuple[Point, ...]) -> TableCell:
    text = "\n".join(joined(row).replace("\t", " ") for row in rows(held))
    numbers = sorted({cell.number for cell in held if isinstance(cell, Placed)})
    return TableCell(spot.top, spot.left, spot.bottom - spot.top, spot.right - spot.left, text, poly, tuple(numbers))
