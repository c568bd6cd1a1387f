"""The margins: titles, running heads and page numbers above and below the columns of a page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import median

import numpy as np

from spoolfarm.tasks.ocr.cell import Cell
from spoolfarm.tasks.ocr.rows import rows

#: A line above or below columns is none of theirs when it is so many of their heights away, or so many times as high.
APART, HIGHER = 1.5, 1.3
#: The head of a page is at most this part of its lines, and so many heights away from the others.
HEAD, HEAD_APART = 0.2, 2.0
#: Page numbers have at most so many digits, and those of an open book are at least so high, for smaller ones may be
#: anything, and in this part of its width at either end.
DIGITS, FIRST, OUTER = 4, 10, 0.15
#: The fold of an open book is in this middle part of its width, and at most this part of the lines runs across.
FOLD, ACROSS = 0.3, 0.05
#: How many lines an open book has at least, and how deep its upper and lower edge are, in line heights.
LINES, EDGE = 12, 3.0


def trimmed(ordered: Sequence[Cell]) -> tuple[int, int]:
    """Where the columns begin and end among the cells *ordered* from top to bottom."""
    strips = in_strips(ordered)
    height = median(cell.height for cell in ordered)
    first, last = 0, len(ordered)
    while len(strips) > 1 and is_apart(strips[0], height, top(strips[1]) - bottom(strips[0])):
        first += len(strips.pop(0))
    head = 0
    for strip, following in pairwise(strips):
        head += len(strip)
        if head > HEAD * (last - first):
            break
        if top(following) - bottom(strip) >= HEAD_APART * height:
            first, head = first + head, 0
    while len(strips) > 1 and is_apart(strips[-1], height, top(strips[-1]) - bottom(strips[-2])):
        last -= len(strips.pop())
    return first, max(first, last)


def in_strips(ordered: Sequence[Cell], apart: float = 0.0) -> list[list[Cell]]:
    """Part cells, *ordered* from top to bottom, where a level band between them, *apart* pixels high, meets none."""
    strips: list[list[Cell]] = []
    lowest = -math.inf
    for cell in ordered:
        if cell.top < lowest + apart:
            strips[-1].append(cell)
        else:
            strips.append([cell])
        lowest = max(lowest, cell.bottom)
    return strips


def is_apart(strip: list[Cell], height: float, gap: float) -> bool:
    """Whether a strip at the end of columns whose lines are *height* high, *gap* away from them, is none of theirs."""
    if len(rows(strip)) > 1:
        return False
    alone = len(strip) == 1
    if alone and strip[0].height >= HIGHER * height:
        return True
    return gap >= APART * height and (alone or any(number(cell) is not None for cell in strip))


def number(cell: Cell) -> int | None:
    """The page number that a cell may be."""
    digits = cell.line.text.strip(" -.·")
    return int(digits) if digits.isdecimal() and len(digits) <= DIGITS else None


def fold(ordered: Sequence[Cell]) -> float | None:
    """Where the fold is of a book that lies open: an even page number at its left edge, the next at its right."""
    if len(ordered) < LINES:
        return None
    left, right = min(cell.left for cell in ordered), max(cell.right for cell in ordered)
    width = right - left
    if width < bottom(ordered) - top(ordered) or not any(
        even >= FIRST and even % 2 == 0 and even + 1 in numbers(edge, right - OUTER * width, right)
        for edge in edges(ordered)
        for even in numbers(edge, left, left + OUTER * width)
    ):
        return None
    places = np.linspace(left + (0.5 - FOLD / 2) * width, left + (0.5 + FOLD / 2) * width, 100)
    lefts, rights = (np.array([getattr(cell, side) for cell in ordered]) for side in ("left", "right"))
    across = ((lefts < places[:, None]) & (rights > places[:, None])).sum(axis=1)
    if across.min() > ACROSS * len(ordered):
        return None
    return float(np.median(places[across == across.min()]))


def edges(ordered: Sequence[Cell]) -> tuple[list[Cell], list[Cell]]:
    """The cells next to the upper edge of a page, and those next to the lower one."""
    deep = EDGE * median(cell.height for cell in ordered)
    upper, lower = ordered[0].middle + deep, ordered[-1].middle - deep
    return [cell for cell in ordered if cell.middle <= upper], [cell for cell in ordered if cell.middle >= lower]


def numbers(cells: Sequence[Cell], left: float, right: float) -> list[int]:
    """The page numbers that stand in a part of the width."""
    found = (number(cell) for cell in cells if left <= cell.centre <= right)
    return [one for one in found if one is not None]


def top(cells: Sequence[Cell]) -> float:
    return min(cell.top for cell in cells)


def bottom(cells: Sequence[Cell]) -> float:
    return max(cell.bottom for cell in cells)
