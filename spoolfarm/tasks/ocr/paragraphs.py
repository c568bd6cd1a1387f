"""Paragraphs: which rows of a block belong together."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from statistics import median

from spoolfarm.tasks.ocr.cell import Cell
from spoolfarm.tasks.ocr.letters import is_square

#: A row this many times as far from the last one as the block's rows commonly are begins a paragraph,
FAR = 1.4
#: as does one that is this many times higher or lower than the last one,
HIGHER = 1.35
#: and one that begins this many heights further right than the last one, unless that was such a row too.
INDENT = 0.8
#: The width of a blank, in heights of the row.
BLANK = 0.3
#: What may have been too wide for the end of the last row, at most, in heights: Chinese breaks anywhere.
UNBREAKABLE = 6.0

Row = Sequence[Cell]


def beginnings(rows: Sequence[Row]) -> list[bool]:
    """For each row of a block, whether a paragraph begins with it."""
    if not rows:
        return []
    left = min(row[0].left for row in rows)
    right = max(row[-1].right for row in rows)
    steps = [_middle(row) - _middle(last) for last, row in pairwise(rows)]
    common = median(steps) if len(steps) > 2 else 2 * median(map(_height, rows))
    found = [True]
    for (last, row), step in zip(pairwise(rows), steps, strict=True):
        sizes = sorted((_height(last), _height(row)))
        found.append(
            step > FAR * common
            or sizes[1] > HIGHER * sizes[0]
            or (len(last) == len(row) == 1 and (_indented(last, row, left) or _ends_early(last, row, right)))
        )
    return found


def _indented(last: Row, row: Row, left: float) -> bool:
    indent = INDENT * _height(row)
    return row[0].left - left > indent and row[0].left - last[0].left > indent


def _ends_early(last: Row, row: Row, right: float) -> bool:
    """Whether the first word of *row* had room at the end of the row before it, and yet stands in a new one."""
    height, [cell] = _height(row), row
    first = cell.line.words[0].end * cell.width if cell.line.words else UNBREAKABLE * height
    widest = 2 * height if is_square(cell.line.text[:1]) else UNBREAKABLE * height
    return right - last[-1].right > min(first, widest) + (BLANK + 0.5) * height


def _height(row: Row) -> float:
    return median(cell.height for cell in row)


def _middle(row: Row) -> float:
    return median(cell.middle for cell in row)
