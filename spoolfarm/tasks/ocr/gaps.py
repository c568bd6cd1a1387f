"""The gaps: where the letters of a line stand far apart, or with a ruling between them."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from spoolfarm.tasks.ocr.page import Line
from spoolfarm.tasks.ocr.recogniser import HEIGHT, cut

#: A gap is so many heights of the line's box long, and at least so far from its ends.
LONG, INNER = 0.4, 0.5
#: Of a line's height, the middle part that is looked at; ink in it up to so much is paper, and from so much on a ruling
#: that runs across, when it is at most so many heights thick.
MIDDLE, PAPER, RULED, THICK = 0.75, 0.03, 0.55, 0.13
#: Pixels beside a ruling that are neither black nor white.
BLURRED = 3


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
