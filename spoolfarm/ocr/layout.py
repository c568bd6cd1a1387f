"""The layout: in which order the lines of a page are read.

A page is cut at the gutters between its columns and at whatever runs across them, a heading for instance; what is left
is read row by row. A table has gutters too, but its cells rarely fill their column: it is not cut.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise
from statistics import median, median_low
from typing import NamedTuple

import numpy as np

from spoolfarm.ocr.page import Line

#: The narrowest gutter and the narrowest column, in line heights, and the fewest rows of a column.
GUTTER, COLUMN, ROWS = 0.7, 8.0, 3
#: A column's middle row fills at least this part of its width; a table's column hardly ever does.
FULL = 0.75
#: At most this part of the lines may run across a gutter.
ACROSS = 0.3
#: How many gutters are looked at closely, the clearest first.
TRIES = 8
#: How far a gutter may lean, across by down, the least first: up to 6 degrees to either side.
LEANS = [side * step / 100 for step in range(11) for side in ((1, -1) if step else (0,))]
#: Two lines share a row when they overlap by this part of the lower one's height.
OVERLAP = 0.5
#: Pieces of a row are cells, joined by a tab, when their boxes are further apart than this many heights.
CELL = 0.5


class Gutter(NamedTuple):
    """A strip between columns: its edges, and how many cells cross it."""

    left: float
    right: float
    crossing: int


@dataclass(frozen=True, slots=True)
class Cell:
    """A line in the page's own frame, where text is level and upright."""

    line: Line
    left: float
    top: float
    right: float
    bottom: float

    def leaning(self, lean: float) -> Cell:
        """The cell moved to the left by *lean* of its distance down the page."""
        by = lean * self.middle
        return replace(self, left=self.left - by, right=self.right - by)

    @property
    def middle(self) -> float:
        return (self.top + self.bottom) / 2

    @property
    def height(self) -> float:
        return self.bottom - self.top

    @property
    def width(self) -> float:
        return self.right - self.left


def arrange(lines: Sequence[Line], rotation: int, order: str) -> tuple[tuple[Line, ...], str]:
    """Put *lines* in reading order, number their blocks and rows, and return them with the page's text.

    *order* is "auto", "rows" (straight across the page) or "none" (as given, each line a row).
    """
    cells = level(lines, rotation)
    if order == "none":
        blocks = [[[cell] for cell in cells]]
    elif order == "rows":
        blocks = [rows(cells)]
    else:
        blocks = [rows(block) for block in split(straightened(cells))]
    placed: list[Line] = []
    written: list[str] = []
    for number, block in enumerate(blocks):
        for row in block:
            placed.extend(replace(cell.line, block=number, row=len(written)) for cell in row)
            written.append(joined(row))
    return tuple(placed), "\n".join(written)


def level(lines: Sequence[Line], rotation: int) -> list[Cell]:
    """Turn *lines* back by the page's rotation and its skew, the median angle of the long ones."""
    long = [line.box for line in lines if line.box.w > 3 * line.box.h] or [line.box for line in lines]
    skews = [(box.angle - rotation + 45) % 90 - 45 for box in long]
    turn = math.radians(rotation + (median(skews) if skews else 0))
    cos, sin = math.cos(turn), math.sin(turn)
    cells = []
    for line in lines:
        box = line.box
        x, y = box.cx * cos + box.cy * sin, box.cy * cos - box.cx * sin
        lies = round((box.angle - rotation) / 90) % 2 == 0
        w, h = (box.w, box.h) if lies else (box.h, box.w)
        cells.append(Cell(line, x - w / 2, y - h / 2, x + w / 2, y + h / 2))
    return cells


def rows(cells: Iterable[Cell]) -> list[list[Cell]]:
    """Group *cells* into rows from top to bottom, each from left to right."""
    found: list[list[Cell]] = []
    for cell in sorted(cells, key=lambda cell: cell.middle):
        if found:
            top = median_low(other.top for other in found[-1])
            bottom = median_low(other.bottom for other in found[-1])
            shared = min(bottom, cell.bottom) - max(top, cell.top)
            if shared >= OVERLAP * min(bottom - top, cell.height):
                found[-1].append(cell)
                continue
        found.append([cell])
    return [sorted(row, key=lambda cell: cell.left) for row in found]


def joined(row: Sequence[Cell]) -> str:
    """The text of a row."""
    text = row[0].line.text
    for before, cell in pairwise(row):
        apart = cell.left - before.right > CELL * max(before.height, cell.height)
        text += ("\t" if apart else " ") + cell.line.text
    return text


def split(cells: list[Cell]) -> list[list[Cell]]:
    """Cut *cells* into blocks in reading order: down the page at what runs across a gutter, else left before right."""
    gutter = find_gutter(cells)
    if gutter is None:
        return [cells] if cells else []
    left, right, _ = gutter
    blocks: list[list[Cell]] = []
    downwards = sorted(cells, key=lambda cell: cell.middle)
    for crosses, run in groupby(downwards, key=lambda cell: cell.left < right and cell.right > left):
        band = list(run)
        if crosses:
            blocks.append(band)
        else:
            blocks += split([cell for cell in band if cell.right <= left])
            blocks += split([cell for cell in band if cell.left >= right])
    return blocks


def find_gutter(cells: list[Cell]) -> Gutter | None:
    """The gutter between columns that the fewest cells cross, or None."""
    if len(cells) < 2 * ROWS:
        return None
    lefts = np.array([cell.left for cell in cells])
    rights = np.array([cell.right for cell in cells])
    gap = GUTTER * median(cell.height for cell in cells)
    before = (rights[None, :] <= rights[:, None]).sum(axis=1)
    behind = (lefts[None, :] >= rights[:, None] + gap).sum(axis=1)
    crossing = len(cells) - before - behind
    possible = np.flatnonzero((np.minimum(before, behind) >= ROWS) & (crossing <= ACROSS * len(cells)))
    clearest = possible[np.lexsort((-np.minimum(before, behind)[possible], crossing[possible]))]
    for index in clearest[:TRIES]:
        gutter = Gutter(float(rights[index]), float(rights[index] + gap), int(crossing[index]))
        if is_column([cell for cell in cells if cell.right <= gutter.left]) and is_column(
            [cell for cell in cells if cell.left >= gutter.right]
        ):
            return gutter
    return None


def straightened(cells: list[Cell]) -> list[Cell]:
    """Lean *cells* so that the clearest gutter runs straight down: in a photograph taken at an angle it does not."""
    fewest, best = len(cells), cells
    for lean in LEANS:
        leaning = [cell.leaning(lean) for cell in cells]
        gutter = find_gutter(leaning)
        if gutter and gutter.crossing < fewest:
            fewest, best = gutter.crossing, leaning
    return best


def is_column(cells: list[Cell]) -> bool:
    """Whether *cells* look like prose: several rows that fill most of a width many letters wide."""
    width = max(cell.right for cell in cells) - min(cell.left for cell in cells)
    found = rows(cells)
    if len(found) < ROWS or width < COLUMN * median(cell.height for cell in cells):
        return False
    return median(sum(cell.width for cell in row) for row in found) >= FULL * width
