"""The rows: which lines stand on one level, and their text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from statistics import median

from spoolfarm.tasks.ocr.cell import Cell
from spoolfarm.tasks.ocr.letters import runs_leftwards

#: Two lines share a row when they overlap by this part of the lower one's height, and one reaches into the other by at
#: most so many heights.
OVERLAP, INTO = 0.5, 2.0
#: Rows of which one reaches so far into the next one, in heights, may be those of one row of a table, whose cells have
#: at most so many lines, at most so many heights apart.
REACH, CELL_LINES, TIGHT = 0.2, 3, 0.4
#: Pieces of a row are cells, joined by a tab, when their boxes are further apart than this many heights.
CELL = 0.5


def rows(cells: Iterable[Cell]) -> list[list[Cell]]:
    """Group *cells* into rows from top to bottom, each from left to right, or as its script runs.

    Each goes on the row on whose last cell it stands most level: rows of a bent page rise and fall.
    """
    found: list[list[Cell]] = []
    for cell in sorted(cells, key=lambda cell: cell.left):
        most, best = 0.0, None
        for row in found:
            last = row[-1]
            if last.bottom <= cell.top or last.top >= cell.bottom:
                continue
            shared = min(last.bottom, cell.bottom) - max(last.top, cell.top)
            level = shared >= OVERLAP * min(last.height, cell.height)
            if shared > most and level and cell.left >= last.right - INTO * last.height:
                most, best = shared, row
        if best is None:
            found.append([cell])
        else:
            best.append(cell)
    found.sort(key=lambda row: median(cell.middle for cell in row))
    return [row[::-1] if _runs_leftwards(row) else row for row in found]


def _runs_leftwards(row: Sequence[Cell]) -> bool:
    return runs_leftwards("".join(cell.line.text for cell in row))


def interleaved(found: Sequence[list[Cell]]) -> list[list[Cell]]:
    """Join rows of a table where a cell has several lines and those beside it stand at the height between them.

    Such rows reach into each other, but none stands above the next. A few lines become one row, cell by cell; more are
    no cell: what stands on the left is then read before what stands on the right.
    """
    result: list[list[Cell]] = []
    for chain in _chains(found):
        stacks = _stacks([cell for row in chain for cell in row])
        if len(chain) == 1 or not all(map(_tight, stacks)):
            result += chain
        elif max(map(len, stacks)) > CELL_LINES:
            result += [[cell] for stack in stacks for cell in stack]
        else:
            result.append([cell for stack in stacks for cell in stack])
    return result


def _chains(found: Sequence[list[Cell]]) -> list[list[list[Cell]]]:
    """Rows that reach into each other without standing above each other, together."""
    chains: list[list[list[Cell]]] = []
    for row in found:
        if chains and _beside(chains[-1][-1], row):
            chains[-1].append(row)
        else:
            chains.append([row])
    return chains


def _beside(row: Sequence[Cell], following: Sequence[Cell]) -> bool:
    shared = max(cell.bottom for cell in row) - min(cell.top for cell in following)
    lowest = min(cell.height for cell in (*row, *following))
    return shared >= REACH * lowest and not any(_above(one, other) for one in row for other in following)


def _above(one: Cell, other: Cell) -> bool:
    return min(one.right, other.right) - max(one.left, other.left) > 0


def _stacks(cells: Sequence[Cell]) -> list[list[Cell]]:
    """What stands above each other, from left to right, each from top to bottom."""
    stacks: list[list[Cell]] = []
    right = 0.0
    for cell in sorted(cells, key=lambda cell: cell.left):
        if stacks and cell.left < right:
            stacks[-1].append(cell)
            right = max(right, cell.right)
        else:
            stacks.append([cell])
            right = cell.right
    return [sorted(stack, key=lambda cell: cell.middle) for stack in stacks]


def _tight(stack: Sequence[Cell]) -> bool:
    """Whether the lines of a stack follow each other closely."""
    return all(below.top - above.bottom <= TIGHT * above.height for above, below in pairwise(stack))


def joined(row: Sequence[Cell]) -> str:
    """The text of a row."""
    text = row[0].line.text
    for before, cell in pairwise(row):
        gap = max(cell.left - before.right, before.left - cell.right)
        apart = gap > CELL * max(before.height, cell.height)
        text += ("\t" if apart else " ") + cell.line.text
    return text
