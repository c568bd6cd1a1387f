"""The gaps: where the letters of a line stand far apart, or with a ruling between them.

Vertical lines of two tiers, one below the other, are often found as one. Where lines side by side have their gaps at
one height, or end there, the tiers meet.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from spoolfarm.tasks.ocr.cell import Cell
from spoolfarm.tasks.ocr.page import Line
from spoolfarm.tasks.ocr.recogniser import HEIGHT, cut

#: A gap is so many heights of the line's box long, and at least so far from its ends.
LONG, INNER = 0.4, 0.5
#: Of a line's height, the middle part that is looked at; ink in it up to so much is paper, and from so much on a ruling
#: that runs across, when it is at most so many heights thick.
MIDDLE, PAPER, RULED, THICK = 0.75, 0.03, 0.55, 0.13
#: Pixels beside a ruling that are neither black nor white.
BLURRED = 3
#: Tiers meet where so many lines in a row have a gap or an end, each at most so many heights from the last; lines of
#: either are at least so many heights long.
RUN, ASIDE, TIER = 5, 0.42, 3.5


def parted(cells: Sequence[Cell], picture: np.ndarray[Any, Any]) -> list[Cell]:
    """*cells*, whose lines lie level, parted at the gaps at which many of them have one or end."""
    ordered = sorted(cells, key=lambda cell: cell.middle)
    gaps = [_gaps(cell, picture) for cell in ordered]
    found = []
    for number, cell in enumerate(ordered):
        for at in gaps[number]:
            if min(at - cell.left, cell.right - at) < TIER * cell.height:
                continue
            if 1 + sum(_supporters(ordered, gaps, number, at, step) for step in (-1, 1)) >= RUN:
                *before, cell = cell.parted(at)
                found += before
        found.append(cell)
    return found


def _gaps(cell: Cell, picture: np.ndarray[Any, Any]) -> list[float]:
    """Where *cell* has its gaps, across; one that is too short for two tiers is not looked at."""
    if cell.width < 2 * TIER * cell.height:
        return []
    return [cell.left + at * cell.width for at in places(picture, cell.line)]


def _supporters(ordered: Sequence[Cell], gaps: Sequence[Sequence[float]], number: int, at: float, step: int) -> int:
    """How many cells in a row, beside that with a *number*, have a gap or an end *at* some place, up to RUN."""
    count = 0
    while count < RUN and 0 <= (number := number + step) < len(ordered):
        cell = ordered[number]
        near = min((*gaps[number], cell.left, cell.right), key=lambda place: abs(place - at))
        if abs(near - at) <= ASIDE * cell.height:
            count += 1
            at = near if near in gaps[number] else at
        elif cell.left < at < cell.right:
            break
    return count


def places(picture: np.ndarray[Any, Any], line: Line) -> tuple[float, ...]:
    """The middles of the gaps of *line* in *picture*, (height, width, 3) uint8: 0 to 1 along its text."""
    grey = cv2.cvtColor(cut(picture, line.box), cv2.COLOR_BGR2GRAY)
    level, _ = cv2.threshold(grey, 0, 1, cv2.THRESH_OTSU)
    edge = round((1 - MIDDLE) / 2 * HEIGHT)
    dark = grey <= level
    if dark[[0, -1]].mean() > 0.5:  # the ground is what the edges show
        dark = ~dark
    ink = dark[edge:-edge].mean(axis=0)
    empty = ink <= PAPER
    for start, end in _runs(ink >= RULED):
        if end - start <= THICK * HEIGHT:
            empty[max(0, start - BLURRED) : end + BLURRED] = True
    inner = INNER * HEIGHT, len(ink) - INNER * HEIGHT
    return tuple(
        (start + end) / 2 / len(ink)
        for start, end in _runs(empty)
        if end - start >= LONG * HEIGHT and start >= inner[0] and end <= inner[1]
    )


def _runs(among: np.ndarray[Any, Any]) -> list[list[int]]:
    """Where each run of true values starts, and where it ends."""
    changes = np.diff(np.concatenate(([0], among.astype(np.int8), [0])))
    runs: list[list[int]] = np.flatnonzero(changes).reshape(-1, 2).tolist()
    return runs
