"""The clumps: lines close below each other whose middles are in line, such as those of a speech balloon.

Where they stand beside others as they like, their lines are not the rows of a table, and each clump is read by itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from statistics import median

from spoolfarm.tasks.ocr import margins
from spoolfarm.tasks.ocr.cell import Cell

#: Where a clump begins or ends, along the page or across it.
Edge = Callable[[Sequence[Cell]], float]

#: Lines of a clump are at most so many heights apart, one at most so many times as high as the next, and stand above
#: each other with this part of the narrower one.
CLOSE, SIMILAR, SHARED = 0.5, 1.6, 0.5
#: It is centred when it has so many lines, whose middles differ by at most so many heights, but their widths by more.
LINES, IN_LINE, RAGGED = 3, 0.7, 1.5
#: Its lines are nearer to each other than those of a table: at most so many heights between their boxes.
TIGHT = 0.1
#: Clumps of two tiers are at least so many heights apart; others that stand side by side, or one above the other, may
#: overlap by so many.
TIER, OVERLAP = 2.5, 0.3
#: A clump that begins above this part of the highest one's height stands beside it.
BESIDE = 0.5


def parted(block: Sequence[Cell]) -> list[list[Cell]]:
    """The clumps of *block* in reading order, when most of its lines are in centred ones; else all of it."""
    found = _clumps(block)
    centred = sum(len(clump) for clump in found if _is_centred(clump))
    return _ordered(found) if 2 * centred > len(block) else [list(block)]


def _clumps(block: Sequence[Cell]) -> list[list[Cell]]:
    found: list[list[Cell]] = []
    for cell in sorted(block, key=lambda cell: cell.middle):
        above = [clump for clump in found if any(_follows(cell, other) for other in clump)]
        found = [clump for clump in found if clump not in above]
        found.append(sorted([*(other for clump in above for other in clump), cell], key=lambda cell: cell.middle))
    return found


def _follows(cell: Cell, above: Cell) -> bool:
    lower, higher = sorted((cell.height, above.height))
    shared = min(cell.right, above.right) - max(cell.left, above.left)
    return (
        abs(cell.top - above.bottom) <= CLOSE * lower
        and higher <= SIMILAR * lower
        and shared >= SHARED * min(cell.width, above.width)
    )


def _is_centred(clump: Sequence[Cell]) -> bool:
    height = median(cell.height for cell in clump)
    centres, widths = [cell.centre for cell in clump], [cell.width for cell in clump]
    gaps = [below.top - above.bottom for above, below in pairwise(clump)]
    letters = "".join(cell.line.text for cell in clump)
    return (
        len(clump) >= LINES
        and max(centres) - min(centres) <= IN_LINE * height
        and max(widths) - min(widths) >= RAGGED * height
        and median(gaps) <= TIGHT * height
        and 2 * sum(map(str.isalpha, letters)) > len(letters)
    )


def _ordered(found: Sequence[list[Cell]]) -> list[list[Cell]]:
    """Tier by tier, such as the pictures of a comic, and in each from left to right."""
    if len(found) < 2:
        return list(found)
    height = median(cell.height for clump in found for cell in clump)
    tiers, columns = _widest(found, margins.top, margins.bottom), _widest(found, _left, _right)
    for (gap, first, rest), least in ((tiers, TIER), (columns, -OVERLAP), (tiers, -OVERLAP)):
        if gap >= least * height:
            return [*_ordered(first), *_ordered(rest)]
    return _entangled(found)


def _widest(found: Sequence[list[Cell]], start: Edge, end: Edge) -> tuple[float, list[list[Cell]], list[list[Cell]]]:
    """How wide the widest gap is between some clumps and those that start behind it, and both; negative: an overlap."""
    ordered = sorted(found, key=start)
    cuts = []
    reached = -math.inf
    for at, (clump, following) in enumerate(pairwise(ordered), 1):
        reached = max(reached, end(clump))
        cuts.append((start(following) - reached, at))
    gap, at = max(cuts)
    return gap, ordered[:at], ordered[at:]


def _left(clump: Sequence[Cell]) -> float:
    return min(cell.left for cell in clump)


def _right(clump: Sequence[Cell]) -> float:
    return max(cell.right for cell in clump)


def _entangled(found: Sequence[list[Cell]]) -> list[list[Cell]]:
    """From the top down, and from left to right what stands beside each other."""
    rest = sorted(found, key=lambda clump: min(cell.top for cell in clump))
    ordered: list[list[Cell]] = []
    while rest:
        top, bottom = min(cell.top for cell in rest[0]), max(cell.bottom for cell in rest[0])
        row = [clump for clump in rest if min(cell.top for cell in clump) <= top + BESIDE * (bottom - top)]
        ordered += sorted(row, key=lambda clump: min(cell.left for cell in clump))
        rest = [clump for clump in rest if clump not in row]
    return ordered
