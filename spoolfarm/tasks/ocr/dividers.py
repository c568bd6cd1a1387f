"""The dividers: rulings across a page, such as those of a newspaper, that part what is above from what is below."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

import cv2
import numpy as np

from spoolfarm.tasks.ocr import rulings
from spoolfarm.tasks.ocr.box import Box
from spoolfarm.tasks.ocr.page import Line

Array = np.ndarray[Any, Any]

#: A divider is so many line heights long, and its pieces are at most so many apart.
LONG, GAP = 12.0, 1.0
#: It reaches at most so many line heights beyond the letters of the page; edges of the paper, and what lies behind it,
#: reach further.
OUTER = 4.0
#: It falls or rises by at most this part of its length; strokes of a picture that hang together do by more.
STEEP = 0.04
#: The part of a line's height that its letters fill. What runs within the boxes of lines for more than this part of its
#: length is an underline, or a crease or shadow of a photograph.
LETTERS, WITHIN = 0.7, 0.6


@dataclass(frozen=True, slots=True)
class Divider:
    """A level ruling; y downwards."""

    left: float
    right: float
    y: float

    def moved(self, across: float) -> Divider:
        return replace(self, left=self.left + across, right=self.right + across)


def find(picture: Array, lines: Sequence[Line], rotation: int, turn: float) -> list[Divider]:
    """The dividers of *picture*, (height, width, 3) uint8, as they lie when it is turned back by *turn*.

    The page is turned by *rotation*; both are in degrees, clockwise. Strokes of the letters of *lines* are no dividers.
    """
    shrink = min(1.0, rulings.SIDE / max(picture.shape[:2]))
    height, width = (max(1, round(side * shrink)) for side in picture.shape[:2])  # the thinnest have no pixel left
    grey = cv2.resize(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), (width, height), interpolation=cv2.INTER_AREA)
    letters, boxes = (_filled(grey.shape, lines, part, shrink) for part in (LETTERS, 1))
    quarters, unit = rotation // 90, median(line.box.h for line in lines) * shrink
    grey, letters, boxes = (np.ascontiguousarray(np.rot90(each, quarters)) for each in (grey, letters, boxes))
    strokes = rulings.strokes(grey, round(rulings.ACROSS * unit), letters)
    joined = cv2.dilate(strokes, np.ones((1, max(1, round(GAP * unit))), np.uint8))
    _, labels, stats, _ = cv2.connectedComponentsWithStats(joined)
    cos, sin = math.cos(math.radians(turn)), math.sin(math.radians(turn))
    across = np.flatnonzero(letters.any(axis=0))
    left, right = across[[0, -1]].tolist() if len(across) else (0, 0)
    found = []
    for number, (x, y, w, h, _) in enumerate(stats[1:].tolist(), 1):
        if w >= LONG * unit and h <= unit + STEEP * w:
            if x < left - OUTER * unit or x + w > right + OUTER * unit:
                continue
            here = labels[y : y + h, x : x + w] == number
            ends = [(at, y + float(np.flatnonzero(here[:, at - x]).mean())) for at in (x, x + w - 1)]
            if _within(boxes, *ends) > WITHIN:
                continue
            points = [_back(end, quarters, grey.shape) for end in ends]
            (start, above), (end, below) = [(px * cos + py * sin, py * cos - px * sin) for px, py in points]
            found.append(Divider(start / shrink, end / shrink, (above + below) / 2 / shrink))
    return found


def _filled(shape: tuple[int, ...], lines: Sequence[Line], part: float, shrink: float) -> Array:
    """1 within *part* of the height of *lines* on a page shrunk to *shape*, 0 elsewhere."""
    filled: Array = np.zeros(shape, np.uint8)
    for line in lines:
        box = replace(line.box, h=part * line.box.h)
        cv2.fillPoly(filled, [np.round(np.array(box.corners()) * shrink).astype(np.int32)], 1)
    return filled


def _within(boxes: Array, start: tuple[float, float], end: tuple[float, float]) -> float:
    """Which part of the way from *start* to *end* lies in *boxes*."""
    count = round(end[0] - start[0]) + 1
    across, down = (np.linspace(*each, count).round().astype(int) for each in zip(start, end, strict=True))
    return float(boxes[down, across].mean())


def _back(point: tuple[float, float], quarters: int, shape: tuple[int, ...]) -> tuple[float, float]:
    """Where a point of an upright page of *shape* lies when it is turned by *quarters* clockwise."""
    box = Box(*point, 0, 0, 0).with_page(quarters, shape[1], shape[0])
    return box.cx, box.cy
