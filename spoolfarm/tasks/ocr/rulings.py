"""The rulings: the lines drawn between the cells of a table, and the grids they make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Any

import cv2
import numpy as np

from spoolfarm.tasks.ocr.table import Rect, Spot, disjoint

Array = np.ndarray[Any, Any]

#: Rulings are sought in a picture whose longer side has at most so many pixels.
SIDE = 2400
#: A ruling is less than so many pixels thick, and darker than both sides of it by this; levels of 255.
THICK, DARKER = 11, 10
#: Where rulings cross, neither is darker than its sides, for less than so many pixels.
CROSSED = 7
#: A ruling is at least so many line heights long, across and down; letters are not.
ACROSS, DOWN = 2.5, 1.6
#: How far rulings may miss each other where they should meet, and be apart to be two, in line heights.
MISS, APART = 0.5, 0.4
#: Two cells are parted when a ruling runs along this part of their common side.
ALONG = 0.5
#: The part of a side at either end that does not count: a ruling may wobble there.
ENDS = 0.15


@dataclass(frozen=True, slots=True)
class Grid:
    """The edges of rows and columns, from the top and from the left, and the cells between them."""

    ys: tuple[float, ...]
    xs: tuple[float, ...]
    spots: tuple[Spot, ...]

    @property
    def rect(self) -> Rect:
        return Rect(self.xs[0], self.ys[0], self.xs[-1], self.ys[-1])

    def cell(self, spot: Spot) -> Rect:
        return Rect(self.xs[spot.left], self.ys[spot.top], self.xs[spot.right], self.ys[spot.bottom])


def grids(picture: Array, height: float) -> list[Grid]:
    """The grids on *picture*, (height, width, 3) uint8, level and upright, whose lines are *height* pixels high."""
    shrink = min(1.0, SIDE / max(picture.shape[:2]))
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    if shrink < 1:
        grey = cv2.resize(grey, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
    unit = height * shrink
    level = strokes(grey, round(ACROSS * unit))
    upright = np.ascontiguousarray(strokes(np.ascontiguousarray(grey.T), round(DOWN * unit)).T)
    miss = max(3, round(MISS * unit))
    near = cv2.dilate(level | upright, np.ones((miss, miss), np.uint8))
    _, labels, stats, _ = cv2.connectedComponentsWithStats(near)
    found = []
    for number in range(1, len(stats)):
        x, y, w, h = stats[number, :4]
        here = labels[y : y + h, x : x + w] == number
        grid = _grid(level[y : y + h, x : x + w] * here, upright[y : y + h, x : x + w] * here, unit)
        if grid:
            ys = tuple((at + y) / shrink for at in grid.ys)
            found.append(Grid(ys, tuple((at + x) / shrink for at in grid.xs), grid.spots))
    return sorted(found, key=lambda grid: grid.ys[0])


def strokes(grey: Array, length: int, letters: Array | None = None) -> Array:
    """The dark strokes of at least *length* pixels across, where no *letters* are; they may wobble by a pixel."""
    dark = cv2.morphologyEx(grey, cv2.MORPH_BLACKHAT, np.ones((THICK, 1), np.uint8)) >= DARKER
    if letters is not None:
        dark &= letters == 0
    whole = cv2.morphologyEx(dark.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((1, CROSSED), np.uint8))
    thick = cv2.dilate(whole, np.ones((3, 1), np.uint8))
    long: Array = cv2.morphologyEx(thick, cv2.MORPH_OPEN, np.ones((1, max(length, 12)), np.uint8))
    return long


def _grid(level: Array, upright: Array, unit: float) -> Grid | None:
    """The grid of rulings that hang together; None when these part no cells."""
    ys, xs = _edges(level, unit), _edges(np.ascontiguousarray(upright.T), unit)
    if len(ys) < 2 or not xs:
        return None
    across, down = np.flatnonzero(level.any(axis=0)), np.flatnonzero(upright.any(axis=1))
    xs = _closed(xs, across[0], across[-1], unit)
    ys = _closed(ys, down[0], down[-1], unit)
    rows, columns = len(ys) - 1, len(xs) - 1
    if rows < 2 or columns < 2:
        return None
    reach = np.ones((1, max(3, round(APART * unit))), np.uint8)
    level, upright = cv2.dilate(level, reach.T), cv2.dilate(upright, reach)
    spots = [Spot(row, column, row + 1, column + 1) for row in range(rows) for column in range(columns)]
    spots += [
        Spot(row, column, row + 1, column + 2)
        for row in range(rows)
        for column in range(columns - 1)
        if not _parted(upright[_inner(ys[row], ys[row + 1]), round(xs[column + 1])])
    ]
    spots += [
        Spot(row, column, row + 2, column + 1)
        for row in range(rows - 1)
        for column in range(columns)
        if not _parted(level[round(ys[row + 1]), _inner(xs[column], xs[column + 1])])
    ]
    return _needed(ys, xs, disjoint(spots))


def _needed(ys: Sequence[float], xs: Sequence[float], cells: Sequence[Spot]) -> Grid | None:
    """The grid without the edges that part no cells: letters in a row may look like a piece of a ruling."""
    down = sorted({edge for cell in cells for edge in (cell.top, cell.bottom)})
    across = sorted({edge for cell in cells for edge in (cell.left, cell.right)})
    if len(down) < 3 or len(across) < 3:
        return None
    spots = [
        Spot(*(edges.index(edge) for edges, edge in zip((down, across, down, across), astuple(cell), strict=True)))
        for cell in cells
    ]
    return Grid(tuple(ys[edge] for edge in down), tuple(xs[edge] for edge in across), tuple(spots))


def _edges(rulings: Array, unit: float) -> list[float]:
    """The heights of level *rulings*; those of about the same height are one."""
    _, _, stats, centroids = cv2.connectedComponentsWithStats(rulings)
    told = sorted(zip(centroids[1:, 1], stats[1:, cv2.CC_STAT_WIDTH], strict=True))
    groups: list[list[tuple[float, int]]] = []
    for y, length in told:
        if groups and y - groups[-1][-1][0] <= APART * unit:
            groups[-1].append((y, length))
        else:
            groups.append([(y, length)])
    return [float(np.average([y for y, _ in group], weights=[length for _, length in group])) for group in groups]


def _closed(edges: Sequence[float], first: float, last: float, unit: float) -> list[float]:
    """*edges* of a table that is open at the sides, up to where its rulings reach."""
    before = [float(first)] if edges[0] - first > unit else []
    after = [float(last)] if last - edges[-1] > unit else []
    return [*before, *edges, *after]


def _inner(start: float, end: float) -> slice:
    ends = ENDS * (end - start)
    return slice(int(start + ends), max(int(start + ends) + 1, int(end - ends)))


def _parted(side: Array) -> bool:
    return bool(side.mean() >= ALONG) if side.size else True
