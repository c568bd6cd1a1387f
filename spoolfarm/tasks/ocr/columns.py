"""The columns: where a page is cut so that what stands side by side is read one after the other."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Any

import numpy as np

from spoolfarm.tasks.ocr.cell import Cell
from spoolfarm.tasks.ocr.rows import rows

#: The narrowest column, in line heights, and the fewest rows of one.
COLUMN, ROWS = 8.0, 3
#: How far a line may lean into a gutter, in line heights.
INTRUSION = 0.5
#: A column's middle row fills at least this part of its width; a table's column hardly ever does.
FULL = 0.75
#: Long lines, of so many heights, are prose though they fill only this part.
LONG, RAGGED = 8.0, 0.45
#: So are lines of which this part goes on from the line before.
GOING_ON = 0.4
#: Rows of which this part has one on the same level beside it are those of a table, unless both sides are prose.
LEVEL = 0.6
#: So many rows are needed to see that.
SEVERAL = 5
#: Of two lines taken for one across a gutter, others are at most so many heights away above and below, two each, and
#: as high but for this, a logarithm.
CLOSE, SIMILAR = 0.6, 0.25
#: At most this part of all lines are taken for such.
MERGED = 0.25
#: A gutter this many line heights wide may be as short as ROWS, a narrower one is so many times as long.
WIDE, LONGER = 0.3, 2.0
#: Of columns, on one side at least, the middle cell is so many line heights wide.
PIECE = 4.0
#: How many cuts are looked at closely, the largest first.
TRIES = 32
#: Rows are level when their middles differ by at most this part of their height, beside what all differ by, which is at
#: most this much.
NEAR, LEANING = 0.2, 0.45
#: A line above or below columns is none of theirs when it is so many of their heights away, or so many times as high.
APART, HIGHER = 1.5, 1.3
#: The head of a page is at most this part of it and so many heights away.
HEAD, HEAD_APART = 0.2, 2.0


@dataclass(frozen=True, slots=True)
class Cut:
    """A part of a page, from *first* to before *last* of its cells from top to bottom, parted by a gutter at *x*."""

    x: float
    first: int
    last: int

    def sides(self, ordered: Sequence[Cell]) -> tuple[list[Cell], list[Cell]]:
        band = ordered[self.first : self.last]
        return [cell for cell in band if self.is_left(cell)], [cell for cell in band if not self.is_left(cell)]

    def is_left(self, cell: Cell) -> bool:
        """Whether most of *cell* lies left of the gutter."""
        return cell.centre < self.x


def blocks(cells: Sequence[Cell]) -> list[list[Cell]]:
    """Part *cells* into blocks in reading order: above a cut, left of its gutter, right of it, below."""
    ordered = sorted(cells, key=lambda cell: cell.middle)
    cut = find_cut(ordered)
    if cut is None:
        return [ordered] if ordered else []
    left, right = cut.sides(ordered)
    return [*blocks(ordered[: cut.first]), *blocks(left), *blocks(right), *blocks(ordered[cut.last :])]


def find_cut(ordered: Sequence[Cell]) -> Cut | None:
    """The cut of the most cells that has columns on both sides, or None."""
    for cut in possible(ordered):
        if are_columns(*cut.sides(ordered)):
            trimmed = without_headings(cut, ordered)
            return trimmed if are_columns(*trimmed.sides(ordered)) else cut
    return None


def possible(ordered: Sequence[Cell], piece: float = PIECE) -> list[Cut]:
    """Cuts with enough cells on both sides that no cell of theirs crosses, the largest first.

    On one side at least, the middle cell is *piece* line heights wide.
    """
    if len(ordered) < 2 * ROWS:
        return []
    lefts = np.array([cell.left for cell in ordered])
    rights = np.array([cell.right for cell in ordered])
    height = median(cell.height for cell in ordered)
    reach = INTRUSION * height
    merged = are_merged(ordered)
    found: dict[Cut, tuple[int, int]] = {}
    seen = set()
    for x in {round(right / reach): right for right in np.sort(rights)}.values():
        across = (lefts < x - reach) & (rights > x + reach)
        if (across & merged).sum() <= MERGED * len(ordered):
            across &= ~merged
        is_left = (lefts + rights) / 2 < x
        for last, first in pairwise([-1, *np.flatnonzero(across), len(ordered)]):
            here = slice(last + 1, first)
            count, smaller = first - last - 1, min(is_left[here].sum(), (~is_left[here]).sum())
            same = last, first, is_left[here].sum()
            if smaller < ROWS or same in seen:
                continue
            seen.add(same)
            widths = (rights - lefts)[here]
            if max(np.median(widths[is_left[here]]), np.median(widths[~is_left[here]])) >= piece * height:
                found[Cut(float(x), int(last + 1), int(first))] = count, smaller
    return sorted(found, key=lambda cut: found[cut], reverse=True)[:TRIES]


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


def without_headings(cut: Cut, ordered: Sequence[Cell]) -> Cut:
    """Leave out of *cut* what stands above its columns, a title or a running head, and a page number below them."""
    strips = in_strips(ordered[cut.first : cut.last])
    height = median(cell.height for cell in ordered[cut.first : cut.last])
    first, last = cut.first, cut.last
    while len(strips) > 1 and is_apart(strips[0], height, top(strips[1]) - bottom(strips[0])):
        first += len(strips.pop(0))
    above = 0
    for strip, following in pairwise(strips):
        above += len(strip)
        if above > HEAD * (last - first):
            break
        if top(following) - bottom(strip) >= HEAD_APART * height:
            first, above = first + above, 0
    while len(strips) > 1 and is_apart(strips[-1], height, top(strips[-1]) - bottom(strips[-2])):
        last -= len(strips.pop())
    return Cut(cut.x, first, last)


def in_strips(ordered: Sequence[Cell]) -> list[list[Cell]]:
    """Part cells, sorted from top to bottom, where a level line between them meets none."""
    strips: list[list[Cell]] = []
    lowest = -math.inf
    for cell in ordered:
        if cell.top < lowest:
            strips[-1].append(cell)
        else:
            strips.append([cell])
        lowest = max(lowest, cell.bottom)
    return strips


def is_apart(strip: list[Cell], height: float, gap: float) -> bool:
    """Whether a strip at the end of columns whose lines are *height* high, *gap* away from them, is none of theirs."""
    if len(rows(strip)) > 1:
        return False
    return (
        (len(strip) == 1 and strip[0].height >= HIGHER * height)
        or (len(strip) == 1 and gap >= APART * height)
        or (gap >= APART * height and any(is_page_number(cell) for cell in strip))
    )


def is_page_number(cell: Cell) -> bool:
    return cell.line.text.strip(" -.").isdigit() and len(cell.line.text) <= 6


def top(cells: Sequence[Cell]) -> float:
    return min(cell.top for cell in cells)


def bottom(cells: Sequence[Cell]) -> float:
    return max(cell.bottom for cell in cells)


@dataclass(frozen=True, slots=True)
class Side:
    """What stands on one side of a gutter, in rows."""

    rows: list[list[Cell]]
    #: Its width in line heights, in how many pieces its middle row is, how much of the width that fills, and how long
    #: the middle piece is.
    width: float
    pieces: float
    filled: float
    long: float
    #: Which part of its lines begin with a small letter.
    going_on: float

    @classmethod
    def of(cls, cells: Sequence[Cell]) -> Side:
        height = median(cell.height for cell in cells)
        width = float(
            np.percentile([cell.right for cell in cells], 90) - np.percentile([cell.left for cell in cells], 10)
        )
        found = rows(cells)
        return cls(
            found,
            width / height,
            median(len(row) for row in found),
            median(sum(cell.width for cell in row) for row in found) / max(width, 1.0),
            median(cell.width for cell in cells) / height,
            sum(goes_on(row[0].line.text) for row in found) / len(found),
        )

    @property
    def full(self) -> bool:
        return self.width >= COLUMN and self.filled >= FULL and (self.pieces < 2 or self.long >= LONG)

    @property
    def prose(self) -> bool:
        ragged = self.long >= LONG and self.filled >= RAGGED
        return self.full or (self.width >= COLUMN and (ragged or self.going_on >= GOING_ON))


def goes_on(text: str) -> bool:
    """Whether a line goes on from the one before: several words that begin with a small letter."""
    return text[:1].islower() and text.count(" ") >= 2


def are_columns(left: Sequence[Cell], right: Sequence[Cell]) -> bool:
    """Whether two sides of a gutter are read one after the other, judged where both have lines."""
    if not left or not right:
        return False
    height = median(cell.height for cell in [*left, *right])
    highest, lowest = max(top(left), top(right)) - height, min(bottom(left), bottom(right)) + height
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


def level(one: Side, other: Side) -> float:
    """Which part of the rows of the side with fewer stand level with one of the other side."""
    fewer, more = sorted((one.rows, other.rows), key=len)
    middles = np.array([median(cell.middle for cell in row) for row in more])
    height = median(cell.height for row in fewer for cell in row)
    off = []
    for row in fewer:
        away = (middles - median(cell.middle for cell in row)) / height
        off.append(away[np.abs(away).argmin()])
    common = float(np.clip(np.median(off), -LEANING, LEANING))
    return float((np.abs(np.array(off) - common) <= NEAR).mean())


def least(values: Iterable[float]) -> float:
    """The least of *values* but for a tenth, which may have gone astray."""
    return float(np.percentile(list(values), 10))


def most(values: Iterable[float]) -> float:
    return float(np.percentile(list(values), 90))
