"""The columns: where a page is cut so that what stands side by side is read one after the other."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Any

import numpy as np

from spoolfarm.tasks.ocr import margins
from spoolfarm.tasks.ocr.cell import Cell
from spoolfarm.tasks.ocr.dividers import Divider
from spoolfarm.tasks.ocr.side import Side, least, level, most

#: The fewest rows of a column.
ROWS = 3
#: How far a line may lean into a gutter, in line heights.
INTRUSION = 0.7
#: Places within that width at which a gutter is sought.
FINE = 6
#: A line of which more than this part lies left of a gutter stands there.
LEFT = 0.4
#: Two lines were taken for one where each is at least this part of a common one.
PART = 0.5
#: A gutter this many line heights wide may be as short as ROWS, a narrower one is so many times as long.
WIDE, LONGER = 0.3, 2.0
#: Where prose stands beside what is none, rows of which this part is level are those of a table; so many rows show it.
LEVEL, SEVERAL = 0.6, 5
#: On one side at least, pieces of text are so many line heights wide in the mean.
PIECE = 4.0
#: How many cuts are looked at closely, the largest first.
TRIES = 32
#: How many to see how a page leans.
FEW = 3
#: Two lines are taken for one, across a gutter, where two others each above and below are at most so many heights away
#: and as high, their heights' logarithms differing by this; so they are up to this part of all lines.
CLOSE, SIMILAR, MERGED = 0.6, 0.25, 0.25


@dataclass(frozen=True, slots=True)
class Cut:
    """A part of a page, from *first* to before *last* of its cells from top to bottom, parted by a gutter at *x*."""

    x: float
    first: int
    last: int

    def sides(self, ordered: Sequence[Cell]) -> tuple[list[Cell], list[Cell]]:
        """The cells on either side; two lines that were taken for one, across the gutter, are parted there."""
        band = ordered[self.first : self.last]
        left, right = self._sides(band)
        if not left or not right:
            return left, right
        widths = [median(cell.width for cell in side) for side in (left, right)]
        return self._sides([part for cell in band for part in self._parts(cell, *widths)])

    def _sides(self, band: Sequence[Cell]) -> tuple[list[Cell], list[Cell]]:
        return [cell for cell in band if self.is_left(cell)], [cell for cell in band if not self.is_left(cell)]

    def _parts(self, cell: Cell, left: float, right: float) -> list[Cell]:
        """*cell*, or its two parts; lines are commonly *left* wide on one side of the gutter, *right* on the other."""
        if self.x - cell.left < PART * left or cell.right - self.x < PART * right:
            return [cell]
        return cell.parted(self.x)

    def is_left(self, cell: Cell) -> bool:
        return self.x - cell.left > LEFT * cell.width


def blocks(cells: Sequence[Cell], dividers: Sequence[Divider] = (), *, tiers: bool = False) -> list[list[Cell]]:
    """Part *cells* into blocks in reading order: page by page, and on each above a cut, left and right of it, below.

    A cut crosses none of *dividers*. With *tiers*, every cut is one between columns: vertical lines below others stand
    in a tier of their own.
    """
    ordered = sorted(cells, key=lambda cell: cell.middle)
    fold = margins.fold(ordered)
    if fold is None:
        return _parted(ordered, dividers, tiers)
    book = Cut(fold, 0, len(ordered))
    return [block for page in book.sides(ordered) for block in _parted(page, dividers, tiers)]


def _parted(ordered: Sequence[Cell], dividers: Sequence[Divider], tiers: bool) -> list[list[Cell]]:
    cut = next(iter(possible(ordered, fine=FINE, tiers=True)), None) if tiers else find_cut(ordered, dividers)
    if cut is None:
        return [list(ordered)] if ordered else []
    left, right = cut.sides(ordered)
    parts = ordered[: cut.first], left, right, ordered[cut.last :]
    return [block for part in parts for block in _parted(part, dividers, tiers)]


def find_cut(ordered: Sequence[Cell], dividers: Sequence[Divider] = ()) -> Cut | None:
    """The cut of the most cells that has columns on both sides, or None."""
    for cut in possible(ordered, dividers, fine=FINE):
        if are_columns(*cut.sides(ordered)):
            first, last = margins.trimmed(ordered[cut.first : cut.last])
            inner = Cut(cut.x, cut.first + first, cut.first + last)
            return inner if are_columns(*inner.sides(ordered)) else cut
    return None


def clearest(ordered: Sequence[Cell], longer: int, *, tiers: bool = False) -> Cut | None:
    """The longest of the largest cuts that has columns on both sides, if it is *longer* than that; any with *tiers*."""
    for cut in possible(ordered, piece=0 if tiers else PIECE, tiers=tiers)[:FEW]:
        if cut.last - cut.first <= longer:
            break
        if tiers or are_columns(*cut.sides(ordered)):
            return cut
    return None


def possible(
    ordered: Sequence[Cell],
    dividers: Sequence[Divider] = (),
    *,
    piece: float = PIECE,
    fine: int = 1,
    tiers: bool = False,
) -> list[Cut]:
    """Cuts with enough cells on both sides that no cell of theirs and none of *dividers* crosses, the largest first.

    On one side at least, cells are *piece* line heights wide in the mean. Cuts are sought at *fine* places within the
    width of an intrusion. With *tiers*, what stands level with a cell that crosses is part of that row.
    """
    if len(ordered) < 2 * ROWS:
        return []
    lefts = np.array([cell.left for cell in ordered])
    rights = np.array([cell.right for cell in ordered])
    height = median(cell.height for cell in ordered)
    reach = INTRUSION * height
    merged = are_merged(ordered)
    level = _level(ordered) if tiers else None
    below = [(bisect(ordered, each.y, key=lambda cell: cell.middle), each) for each in dividers]
    found: dict[Cut, tuple[int, int]] = {}
    seen = set()
    for x in {round(fine * right / reach): right for right in np.sort(rights)}.values():
        across = (lefts < x - reach) & (rights > x + reach)
        if (across & merged).sum() <= MERGED * len(ordered):
            across &= ~merged
        if level is not None:
            across |= level[across].any(axis=0)
        is_left = x - lefts > LEFT * (rights - lefts)
        stops = [(index, index + 1) for index in np.flatnonzero(across).tolist()]
        stops += [(at, at) for at, each in below if each.left < x - reach and each.right > x + reach]
        for (_, first), (last, _) in pairwise([(0, 0), *sorted(stops), (len(ordered), len(ordered))]):
            here = slice(first, last)
            count, smaller = last - first, min(is_left[here].sum(), (~is_left[here]).sum())
            same = first, last, is_left[here].sum()
            if smaller < ROWS or same in seen:
                continue
            seen.add(same)
            widths = (rights - lefts)[here]
            if max(widths[is_left[here]].mean(), widths[~is_left[here]].mean()) >= piece * height:
                found[Cut(float(x), first, last)] = count, smaller
    return sorted(found, key=lambda cut: found[cut], reverse=True)[:TRIES]


def _level(ordered: Sequence[Cell]) -> np.ndarray[Any, Any]:
    """Whether a cell, by row, has the middle of another, by column, at its height."""
    upper, lower = np.array([(cell.top, cell.bottom) for cell in ordered]).T
    middles = (upper + lower) / 2
    among: np.ndarray[Any, Any] = (upper[:, None] < middles) & (middles < lower[:, None])
    return among


def are_merged(ordered: Sequence[Cell]) -> np.ndarray[Any, Any]:
    """Which cells stand as close to others above and below as lines do: across a gutter, two lines taken for one."""
    edges = np.array([(cell.left, cell.top, cell.right, cell.bottom) for cell in ordered])
    left, upper, right, lower = edges.T
    height = lower - upper
    shared = np.minimum(right[:, None], right) - np.maximum(left[:, None], left)
    gap = upper - lower[:, None]  # from the row's cell down to the column's
    close = (shared > 0) & (np.abs(gap) <= CLOSE * height[:, None])
    similar = np.abs(np.log(height / height[:, None])) <= SIMILAR
    below = (close & similar).sum(axis=1)
    above = (close & similar).sum(axis=0)
    among: np.ndarray[Any, Any] = (below >= 2) & (above >= 2)
    return among


def are_columns(left: Sequence[Cell], right: Sequence[Cell]) -> bool:
    """Whether two sides of a gutter are read one after the other, judged where both have lines."""
    if not left or not right:
        return False
    height = median(cell.height for cell in [*left, *right])
    highest = max(map(margins.top, (left, right))) - height
    lowest = min(map(margins.bottom, (left, right))) + height
    beside = [[cell for cell in side if highest <= cell.middle <= lowest] for side in (left, right)]
    if min(map(len, beside)) < ROWS:
        return False
    sides = [Side.of(cells) for cells in beside]
    white = least(cell.left for cell in beside[1]) - most(cell.right for cell in beside[0])
    fewest = min(len(side.rows) for side in sides)
    if fewest < (ROWS if white >= WIDE * height else LONGER * ROWS):
        return False
    if all(side.prose for side in sides):
        return True
    return fewest >= SEVERAL and any(side.full for side in sides) and level(*sides) <= LEVEL
