"""The side: what stands left or right of a gutter, and whether it is prose or a part of a table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median, quantiles

import numpy as np

from spoolfarm.tasks.ocr.cell import Cell
from spoolfarm.tasks.ocr.rows import rows

#: The narrowest column, in line heights, and one whose lines have several words, that is so many blanks or more.
COLUMN, NARROW, BLANKS = 8.0, 5.0, 2
#: A column's middle row fills at least this part of its width; a table's column hardly ever does.
FULL = 0.75
#: Long lines, of so many heights, are prose though they fill only this part.
LONG, RAGGED = 8.0, 0.45
#: So are lines of which this part goes on from the line before.
GOING_ON = 0.4
#: Lines are numbered when this part of them has the number after that of the line before.
COUNTED = 0.6
#: Rows are level when their middles differ by at most this part of their height, beside what all differ by, which is at
#: most this much: a page may be a little askew.
NEAR, ASKEW = 0.2, 0.45


@dataclass(frozen=True, slots=True)
class Side:
    """Lengths are in line heights."""

    rows: list[list[Cell]]
    width: float
    #: How much of the width the middle row fills, and in how many pieces.
    filled: float
    pieces: float
    #: How long the middle piece is, and how many blanks it has.
    long: float
    blanks: float
    #: Which part of the rows goes on with the sentence of the row before.
    going_on: float

    @classmethod
    def of(cls, cells: Sequence[Cell]) -> Side:
        height = median(cell.height for cell in cells)
        found = rows(cells)
        told = without_numbers(found)
        text = [cell for row in told for cell in row]
        width = most(cell.right for cell in text) - least(cell.left for cell in text)
        return cls(
            rows=found,
            width=width / height,
            filled=median(sum(cell.width for cell in row) for row in told) / max(width, 1.0),
            pieces=median(len(row) for row in told),
            long=median(cell.width for cell in text) / height,
            blanks=median(cell.line.text.count(" ") for cell in text),
            going_on=sum(goes_on(row[0].line.text) for row in told) / len(told),
        )

    @property
    def wide(self) -> bool:
        return self.width >= (COLUMN if self.blanks < BLANKS else NARROW)

    @property
    def full(self) -> bool:
        """Whether its lines run from one edge to the other."""
        return self.wide and self.filled >= FULL and (self.pieces < 2 or self.long >= LONG)

    @property
    def prose(self) -> bool:
        ragged = self.long >= LONG and self.filled >= RAGGED
        return self.full or (self.wide and (ragged or self.going_on >= GOING_ON))


def without_numbers(found: list[list[Cell]]) -> list[list[Cell]]:
    """The rows without the numbers before them, where most are counted, as the lines of a deposition are."""
    numbers = [int(row[0].line.text) if row[0].line.text.isdecimal() else None for row in found]
    counted = sum(one is not None and one + 1 == other for one, other in pairwise(numbers))
    if counted < COUNTED * len(found):
        return found
    rest = [row if number is None else row[1:] for row, number in zip(found, numbers, strict=True)]
    return [row for row in rest if row] or found


def goes_on(text: str) -> bool:
    """Whether a line goes on from the one before: several words that begin with a small letter."""
    return text[:1].islower() and text.count(" ") >= BLANKS


def level(one: Side, other: Side) -> float:
    """Which part of the rows of the side with fewer stand level with one of the other side."""
    fewer, more = sorted((one.rows, other.rows), key=len)
    middles = np.array([median(cell.middle for cell in row) for row in more])
    height = median(cell.height for row in fewer for cell in row)
    off = []
    for row in fewer:
        away = (middles - median(cell.middle for cell in row)) / height
        off.append(away[np.abs(away).argmin()])
    common = float(np.clip(np.median(off), -ASKEW, ASKEW))
    return float((np.abs(np.array(off) - common) <= NEAR).mean())


def least(values: Iterable[float]) -> float:
    """The least of *values* but for a tenth, which may have gone astray."""
    return _tenths(values)[0]


def most(values: Iterable[float]) -> float:
    """The most of *values* but for a tenth."""
    return _tenths(values)[-1]


def _tenths(values: Iterable[float]) -> list[float]:
    """Below which value a tenth of *values* lies, two tenths, and so on; in a tenth of the time of np.percentile."""
    found = list(values)
    return quantiles(found, n=10, method="inclusive") if len(found) > 1 else found * 9
