"""The rows: which lines stand on one level, and their text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from statistics import median_low

from spoolfarm.tasks.ocr.cell import Cell

#: Two lines share a row when they overlap by this part of the lower one's height.
OVERLAP = 0.5
#: Pieces of a row are cells, joined by a tab, when their boxes are further apart than this many heights.
CELL = 0.5


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
