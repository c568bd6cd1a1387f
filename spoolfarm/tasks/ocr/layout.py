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

import numpy as np

from spoolfarm.tasks.ocr import paragraphs
from spoolfarm.tasks.ocr.cell import Cell
from spoolfarm.tasks.ocr.page import Line

#: The narrowest column, in line heights, and the fewest rows of one.
COLUMN, ROWS = 8.0, 3
#: How far a line may lean into a gutter, in line heights.
INTRUSION = 0.5
#: A column's middle row fills at least this part of its width; a table's column hardly ever does.
FULL = 0.75
#: At most this part of the lines may run across a gutter.
ACROSS = 0.3
#: How many gutters are looked at closely, the clearest first.
TRIES = 8
#: How far a gutter may lean, across by down, the least first: up to 6 degrees to either side.
LEANS = [side * step / 100 for step in range(11) for side in ((1, -1) if step else (0,))]
#: So many long lines tell how the rows of a page fan out.
FAN = 5
#: Two lines share a row when they overlap by this part of the lower one's height.
OVERLAP = 0.5
#: Pieces of a row are cells, joined by a tab, when their boxes are further apart than this many heights.
CELL = 0.5


@dataclass(frozen=True, slots=True)
class Gutter:
    """The middle of the white strip between two columns, and how many cells run across it."""

    x: float
    #: How far a cell must stick out on both sides to run across; short of that it only leans into the gutter.
    reach: float
    crossing: int

    def crossed_by(self, cell: Cell) -> bool:
        return cell.left < self.x - self.reach and cell.right > self.x + self.reach


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
    paragraph = -1
    for number, block in enumerate(blocks):
        for row, begins in zip(block, paragraphs.beginnings(block), strict=True):
            paragraph += begins
            placed.extend(replace(cell.line, block=number, row=len(written), paragraph=paragraph) for cell in row)
            written.append(joined(row))
    return tuple(placed), "\n".join(written)


def level(lines: Sequence[Line], rotation: int) -> list[Cell]:
    """Turn *lines* back by the page's rotation and its skew, the median angle of the long ones."""
    long = [line.box for line in lines if line.box.w > 3 * line.box.h] or [line.box for line in lines]
    skew = median((box.angle - rotation + 45) % 90 - 45 for box in long) if long else 0
    turn = math.radians(rotation + skew)
    cos, sin = math.cos(turn), math.sin(turn)
    cells = []
    for line in lines:
        box = line.box
        x, y = box.cx * cos + box.cy * sin, box.cy * cos - box.cx * sin
        lies = round((box.angle - rotation) / 90) % 2 == 0
        w, h = (box.w, box.h) if lies else (box.h, box.w)
        slope = math.tan(math.radians((box.angle - rotation - skew + 45) % 90 - 45))
        cells.append(Cell(line, x - w / 2, y - h / 2, x + w / 2, y + h / 2, slope))
    return flattened(cells)


def flattened(cells: list[Cell]) -> list[Cell]:
    """Lay the rows level where they fan out: in a photograph taken from the side their slope changes down the page."""
    long = [cell for cell in cells if cell.width > 4 * cell.height]
    heights = [cell.middle for cell in long]
    if len(long) < FAN or np.ptp(heights) < 10 * median(cell.height for cell in long):
        return cells
    fan, slope = np.polyfit(heights, [cell.slope for cell in long], 1, w=[cell.width for cell in long])
    middle = median(cell.centre for cell in cells)
    return [cell.moved(down=-float(fan * cell.middle + slope) * (cell.centre - middle)) for cell in cells]


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
    blocks: list[list[Cell]] = []
    for crosses, run in groupby(sorted(cells, key=lambda cell: cell.middle), key=gutter.crossed_by):
        band = list(run)
        if crosses:
            blocks.append(band)
        else:
            blocks += split([cell for cell in band if cell.centre < gutter.x])
            blocks += split([cell for cell in band if cell.centre >= gutter.x])
    return blocks


def find_gutter(cells: list[Cell]) -> Gutter | None:
    """The gutter between columns that the fewest cells cross, or None."""
    if len(cells) < 2 * ROWS:
        return None
    lefts = np.array([cell.left for cell in cells])
    rights = np.array([cell.right for cell in cells])
    reach = INTRUSION * median(cell.height for cell in cells)
    tried = np.concatenate((rights, lefts))
    crossing = ((lefts < tried[:, None] - reach) & (rights > tried[:, None] + reach)).sum(axis=1)
    before = ((lefts + rights) / 2 < tried[:, None]).sum(axis=1)
    smaller = np.minimum(before, len(cells) - before)
    possible = np.flatnonzero((smaller >= ROWS) & (crossing <= ACROSS * len(cells)))
    for index in possible[np.lexsort((-smaller[possible], crossing[possible]))][:TRIES]:
        gutter = Gutter(float(tried[index]), float(reach), int(crossing[index]))
        beside = [cell for cell in cells if not gutter.crossed_by(cell)]
        if is_column([cell for cell in beside if cell.centre < gutter.x]) and is_column(
            [cell for cell in beside if cell.centre >= gutter.x]
        ):
            return gutter
    return None


def straightened(cells: list[Cell]) -> list[Cell]:
    """Lean *cells* so that the clearest gutter runs straight down: in a photograph taken at an angle it does not."""
    fewest, best = len(cells), cells
    for lean in LEANS:
        leaning = [cell.moved(across=-lean * cell.middle) for cell in cells]
        gutter = find_gutter(leaning)
        if gutter and gutter.crossing < fewest:
            fewest, best = gutter.crossing, leaning
    return best


def is_column(cells: list[Cell]) -> bool:
    """Whether *cells* look like prose: several rows that fill most of a width many letters wide."""
    if not cells:
        return False
    width = max(cell.right for cell in cells) - min(cell.left for cell in cells)
    found = rows(cells)
    if len(found) < ROWS or width < COLUMN * median(cell.height for cell in cells):
        return False
    return median(sum(cell.width for cell in row) for row in found) >= FULL * width
