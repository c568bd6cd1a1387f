"""The layout: in which order the lines of a page are read.

A page is cut at the gutters between its columns and at whatever runs across them, a heading for instance; what is left
is read row by row. A table has gutters too, but its cells rarely fill their column: it is not cut.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from statistics import median
from typing import Any

import numpy as np

from spoolfarm.tasks.ocr import clumps, columns, dividers, gaps, paragraphs, ruby
from spoolfarm.tasks.ocr.box import Box
from spoolfarm.tasks.ocr.cell import Cell
from spoolfarm.tasks.ocr.letters import is_square, mostly_square
from spoolfarm.tasks.ocr.page import Line
from spoolfarm.tasks.ocr.rows import interleaved, joined, rows

Array = np.ndarray[Any, Any]

#: How far a gutter may lean, across by down, in hundredths: up to 6 degrees to either side.
MOST_LEAN = 10
#: From one lean to the next, the foot of a page moves past its head by this part of a line's height at least.
SHIFT = 0.25
#: A gutter past which no line crosses is straight when it runs along this part of all.
STRAIGHT = 0.9
#: Level lines among vertical ones belong together when they are less than so many heights apart.
GROUPS = 4.0
#: So many long lines tell how the rows of a page fan out.
FAN = 5


def arrange(
    lines: Sequence[Line], rotation: int, order: str, join: bool = False, picture: Array | None = None
) -> tuple[tuple[Line, ...], str]:
    """Put *lines* in reading order, number their blocks and rows, and return them with the page's text.

    *order* is "auto", "rows" (straight across the page) or "none" (as given, each line a row). With *join*, the text
    has each paragraph on one line. Rulings across a *picture* of the page, (height, width, 3) uint8, part what is above
    from what is below.
    """
    if order == "none":
        blocks = [[[cell] for cell in level(lines, rotation)]]
    elif order == "rows":
        blocks = [rows(level(lines, rotation + 90 if is_vertical(lines, rotation) else rotation))]
    else:
        blocks = as_read(lines, rotation, picture)
    placed: list[Line] = []
    written: list[str] = []
    numbers: list[int] = []
    paragraph = -1
    for number, block in enumerate(blocks):
        for row, begins in zip(block, paragraphs.beginnings(block), strict=True):
            paragraph += begins
            placed.extend(replace(cell.line, block=number, row=len(written), paragraph=paragraph) for cell in row)
            written.append(joined(row))
            numbers.append(paragraph)
    return tuple(placed), "\n".join(paragraphs.flowing(written, numbers) if join else written)


def as_read(lines: Sequence[Line], rotation: int, picture: Array | None = None) -> list[list[list[Cell]]]:
    """The rows of each block in reading order; ruby follows the block of the lines it stands between."""
    told = rubies(lines, rotation)
    small = {cell.line for row in told.values() for cell in row}
    rest = [line for line in lines if line not in small]
    blocks = []
    for part in (part for block in in_blocks(rest, rotation, picture) for part in clumps.parted(block)):
        blocks.append(interleaved(rows(part)))
        beside = [told.pop(cell.line) for row in blocks[-1] for cell in row if cell.line in told]
        blocks += [beside] if beside else []
    return [*blocks, *([row] for row in told.values())]  # and that of lines which were parted


def rubies(lines: Sequence[Line], rotation: int) -> dict[Line, list[Cell]]:
    """The ruby of each of *lines* that has some, in the order of its text."""
    found: dict[Line, list[Cell]] = {}
    for down in (False, True):
        cells = level([line for line in lines if runs_down(line, rotation) == down], rotation + 90 * down)
        for cell, base in ruby.bases(sorted(cells, key=lambda cell: cell.left)).items():
            found.setdefault(base.line, []).append(cell)
    return found


def in_blocks(lines: Sequence[Line], rotation: int, picture: Array | None = None) -> list[list[Cell]]:
    """Part *lines* into blocks in reading order.

    Of a page of vertical lines, these are taken as the rows of a page turned by a quarter: from right to left. Level
    lines above them come first, others where they stand between the tiers.
    """
    cells = level(lines, rotation)
    if not is_vertical(lines, rotation):
        lean, leaning = straightened(cells)
        found = columns.blocks(leaning)
        if len(found) <= 1 or picture is None:
            return found
        told = dividers.find(picture, lines, rotation, rotation + skew([line.box for line in lines], rotation))
        return columns.blocks(leaning, [each.moved(-lean * each.y) for each in told])
    top = min(cell.top for cell in cells if runs_down(cell.line, rotation))
    level_ones = [cell for cell in cells if not runs_down(cell.line, rotation)]
    above = [cell for cell in level_ones if cell.middle < top]
    others = [cell for cell in level_ones if cell.middle >= top]
    down = level([line for line in lines if runs_down(line, rotation)], rotation + 90)
    if picture is not None:
        down = gaps.parted(down, picture)
    tiers = columns.blocks(straightened(down, tiers=True)[1], tiers=True)
    return [*columns.blocks(above), *_between(tiers, groups(others))]


def groups(cells: Sequence[Cell]) -> list[list[Cell]]:
    """Part level lines beside vertical ones where they stand apart: tables, charts, the foot of a page."""
    apart = GROUPS * median(cell.height for cell in cells) if cells else 0.0
    found: list[list[Cell]] = []
    for cell in cells:
        near = [group for group in found if any(_is_near(cell, other, apart) for other in group)]
        found = [group for group in found if group not in near]
        found.append([cell, *(other for group in near for other in group)])
    return sorted(found, key=lambda group: min(cell.top for cell in group))


def _is_near(cell: Cell, other: Cell, apart: float) -> bool:
    across = max(cell.left, other.left) - min(cell.right, other.right)
    down = max(cell.top, other.top) - min(cell.bottom, other.bottom)
    return max(across, down) < apart


def _between(tiers: Sequence[list[Cell]], groups: Sequence[list[Cell]]) -> list[list[Cell]]:
    """Blocks of *groups* of level lines among *tiers*, whose rows run down: each before the first that follows it."""
    placed: list[list[Cell]] = []
    rest = list(groups)
    for tier in tiers:
        before = [group for group in rest if _precedes(group, tier)]
        placed += [*(block for group in before for block in columns.blocks(group)), tier]
        rest = [group for group in rest if group not in before]
    return placed + [block for group in rest for block in columns.blocks(group)]


def _precedes(group: Sequence[Cell], tier: Sequence[Cell]) -> bool:
    """Whether level lines come before a tier: it begins below their middle, or to their left and below their top."""
    top, right = min(cell.left for cell in tier), -min(cell.top for cell in tier)
    is_left = right < median(cell.centre for cell in group)
    return top > (min(cell.top for cell in group) if is_left else median(cell.middle for cell in group))


def is_vertical(lines: Sequence[Line], rotation: int) -> bool:
    """Whether most of *lines*, by length, are Chinese or Japanese written top down."""
    down = sum(line.box.w for line in lines if runs_down(line, rotation) and mostly_square(line.text))
    return 2 * down > sum(line.box.w for line in lines)


def runs_down(line: Line, rotation: int) -> bool:
    """Whether *line* is written top down; a digit or a letter alone is not, whichever way it was read."""
    alone = len(line.text) == 1 and not is_square(line.text)
    return not alone and round((line.box.angle - rotation) / 90) % 4 == 1


def level(lines: Sequence[Line], rotation: int) -> list[Cell]:
    """Turn *lines* back by the page's rotation and its skew."""
    askew = skew([line.box for line in lines], rotation)
    turn = math.radians(rotation + askew)
    cos, sin = math.cos(turn), math.sin(turn)
    cells = []
    for line in lines:
        box = line.box
        x, y = box.cx * cos + box.cy * sin, box.cy * cos - box.cx * sin
        lies = round((box.angle - rotation) / 90) % 2 == 0
        w, h = (box.w, box.h) if lies else (box.h, box.w)
        slope = math.tan(math.radians((box.angle - rotation - askew + 45) % 90 - 45))
        cells.append(Cell(line, x - w / 2, y - h / 2, x + w / 2, y + h / 2, slope))
    return flattened(cells)


def skew(boxes: Sequence[Box], rotation: int) -> float:
    """By how many degrees the page is askew, clockwise: the median of the long boxes."""
    long = [box for box in boxes if box.w > 3 * box.h] or boxes
    return median((box.angle - rotation + 45) % 90 - 45 for box in long) if long else 0.0


def flattened(cells: list[Cell]) -> list[Cell]:
    """Lay the rows level where they fan out: in a photograph taken from the side their slope changes down the page."""
    long = [cell for cell in cells if cell.width > 4 * cell.height]
    heights = [cell.middle for cell in long]
    if len(long) < FAN or np.ptp(heights) < 10 * median(cell.height for cell in long):
        return cells
    fan, slope = np.polyfit(heights, [cell.slope for cell in long], 1, w=[cell.width for cell in long])
    middle = median(cell.centre for cell in cells)
    return [cell.moved(down=-float(fan * cell.middle + slope) * (cell.centre - middle)) for cell in cells]


def leans(cells: Sequence[Cell]) -> list[float]:
    """How far a gutter between *cells* may lean, the least first; of a page of few lines, fewer can be told apart."""
    span = float(np.ptp([cell.middle for cell in cells])) if cells else 0.0
    stride = int(SHIFT * median(cell.height for cell in cells) / (span / 100)) if span else MOST_LEAN
    steps = range(0, MOST_LEAN + 1, min(max(1, stride), MOST_LEAN))
    return [side * step / 100 for step in steps for side in ((1, -1) if step else (0,))]


def straightened(cells: list[Cell], *, tiers: bool = False) -> tuple[float, list[Cell]]:
    """Lean *cells* so that the clearest gutter runs straight down: in a photograph taken at an angle it does not.

    How far it leant, across by down, comes with them.
    """
    most, best = 0, (0.0, cells)
    for lean in leans(cells):
        leaning = sorted((cell.moved(across=-lean * cell.middle) for cell in cells), key=lambda cell: cell.middle)
        cut = columns.clearest(leaning, most, tiers=tiers)
        if cut is not None:
            most, best = cut.last - cut.first, (lean, leaning)
        if most >= STRAIGHT * len(cells):
            break
    return best
