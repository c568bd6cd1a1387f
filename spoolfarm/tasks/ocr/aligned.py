"""Aligned rows: tables without rulings, seen by the gaps between columns of text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

import numpy as np

from spoolfarm.tasks.ocr.cell import Cell
from spoolfarm.tasks.ocr.side import Side

#: So many rows of several lines make a table.
ROWS = 3
#: Rows of one line that may stand between them, and how far rows may be apart, in line heights.
SINGLE, FAR = 1, 2.5
#: A gap between columns is so many line heights wide, and at most this part of the rows crosses it, or one of
#: more than ROWS, a heading.
GAP, CROSS = 0.3, 0.15
#: A row goes on with the cells of the one above when it is this many times as close to it as rows commonly are.
CLOSE = 0.7

Row = list[Cell]


@dataclass(frozen=True, slots=True)
class Aligned:
    """Rows, and where the gaps between columns are."""

    rows: tuple[Row, ...]
    gaps: tuple[float, ...]


def runs(rows: Sequence[Sequence[Cell]]) -> Iterator[Aligned]:
    """The tables among the *rows* of a block, from top to bottom."""
    run: list[Row] = []
    single = 0
    for row in map(list, rows):
        far = bool(run) and _top(row) - _bottom(run[-1]) > FAR * _height(row)
        several = len(row) > 1
        if run and (far or (not several and single == SINGLE)):
            yield from _table(run)
            run, single = [], 0
        if run or several:
            run.append(row)
            single = 0 if several else single + 1
    yield from _table(run)


def _table(run: list[Row]) -> Iterator[Aligned]:
    while run and len(run[-1]) < 2:
        run = run[:-1]
    if sum(len(row) > 1 for row in run) < ROWS:
        return
    gaps = _gaps(run)
    if gaps and not _prose(run, gaps):
        yield Aligned(tuple(_joined(run, gaps)), gaps)


def _gaps(run: Sequence[Row]) -> tuple[float, ...]:
    """The middles of the gaps that hardly any line crosses."""
    spans = [(cell.left, cell.right) for row in run for cell in row]
    unit = median(_height(row) for row in run)
    left, right = min(span[0] for span in spans), max(span[1] for span in spans)
    places = np.arange(left, right, unit / 8)
    crossing = np.zeros(len(places))
    for start, end in spans:
        crossing += (places > start) & (places < end)
    free = crossing <= max(CROSS * len(run), len(run) > ROWS)
    edges = np.flatnonzero(np.diff(np.concatenate(([0], free.astype(int), [0]))))
    wide = [(places[a], places[b - 1]) for a, b in edges.reshape(-1, 2) if (b - a) * unit / 8 >= GAP * unit]
    middles = [float(start + end) / 2 for start, end in wide]
    bounds = [left - 1, *middles, right + 1]
    return tuple(
        at
        for at, (before, after) in zip(middles, pairwise(pairwise(bounds)), strict=True)
        if _filled(spans, *before) >= 2 and _filled(spans, *after) >= 2
    )


def _filled(spans: Sequence[tuple[float, float]], start: float, end: float) -> int:
    return sum(start <= (left + right) / 2 < end for left, right in spans)


def _prose(run: Sequence[Row], gaps: tuple[float, ...]) -> bool:
    """Whether two columns are both running text."""
    if len(gaps) != 1:
        return False
    cells = [cell for row in run for cell in row]
    sides = [cell for cell in cells if cell.centre < gaps[0]], [cell for cell in cells if cell.centre >= gaps[0]]
    return all(side and Side.of(side).prose for side in sides)


def _joined(run: Sequence[Row], gaps: tuple[float, ...]) -> Iterator[Row]:
    """Rows, those that go on with the cells above joined to these."""
    steps = [_top(row) - _bottom(last) for last, row in pairwise(run)]
    common = median(steps)
    unit = median(_height(row) for row in run)
    rows: list[Row] = []
    for row, step in zip(run, [common, *steps], strict=True):
        goes_on = row[0].centre > gaps[0] and step + unit <= CLOSE * (common + unit)
        if rows and goes_on:
            rows[-1] = rows[-1] + row
        else:
            rows.append(row)
    return iter(rows)


def _top(row: Row) -> float:
    return min(cell.top for cell in row)


def _bottom(row: Row) -> float:
    return max(cell.bottom for cell in row)


def _height(row: Row) -> float:
    return median(cell.height for cell in row)
