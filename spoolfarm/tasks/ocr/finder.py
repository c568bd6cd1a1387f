"""The finder: the lines of a picture, found at a scale at which its letters can be seen.

Most pictures are shrunk to one look of the detector. Of a long strip, or of a large one of which that shows only a
part, overlapping tiles are looked at.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from spoolfarm.tasks.ocr.box import Box
from spoolfarm.tasks.ocr.detector import MARGIN, Detector, TextBox
from spoolfarm.tasks.ocr.legible import FAINT
from spoolfarm.tasks.ocr.slopes import Slopes

#: Pixels of the longer side in one look, and of the shorter one below which a picture is a strip.
SIDE, STRIP = 1280, 320
#: A picture whose longer side has at most so many pixels is enlarged by so much.
SMALL, ENLARGED = 320, 2.0
#: Pixels that the shorter side of a strip gets.
ACROSS = 800
#: Of a picture of which letters may be overlooked, up to so many tiles are looked at, where it has the most edges, at a
#: scale at which the longer side has so many pixels.
SAMPLE, CLOSER = 3, 4096
#: A tile has something to look for when this part of it are edges, and something new when so many lines are found.
EDGES, NEW = 0.002, 2
#: Pixels that the core of a line is thick in a look in which lines run into each other, and should be in a nearer one.
THIN, THICK = 4.7, 8.0
#: Pixels of a shrunk picture that are looked at, at most.
MOST = 24_000_000


@dataclass(frozen=True, slots=True)
class Found:
    """What was found, at which scale, and how the lines rise and fall."""

    boxes: list[TextBox]
    scale: float
    slopes: Slopes


class Finder:
    """Finds lines with *detector*."""

    def __init__(self, detector: Detector) -> None:
        self._detector = detector

    def find(self, picture: np.ndarray[Any, Any], side: int | None) -> Found:
        """Find the lines of *picture*, (height, width, 3) uint8, in one look of *side* pixels, or by itself."""
        height, width = picture.shape[:2]
        long, short = max(height, width), min(height, width)
        if side is None and long <= SMALL:
            return self.at(picture, ENLARGED)
        scale = min(1.0, ((side or SIDE) - 2 * MARGIN) / long)
        if side is None and short * scale < STRIP and scale < 1:
            return self.at(picture, ACROSS / short)
        found = self.at(picture, scale)
        if side is None and scale < 1 and 0 < found.slopes.thickness * scale < THIN:
            return self.at(picture, THICK / found.slopes.thickness)
        if side is None and scale < FAINT and self._overlooks(picture, found.boxes, CLOSER / long):
            return self.at(picture, CLOSER / long)
        return found

    def at(self, picture: np.ndarray[Any, Any], scale: float) -> Found:
        """Find the lines of *picture* at *scale*, or at what can be looked at; only a small one is enlarged."""
        height, width = picture.shape[:2]
        largest = ENLARGED if max(height, width) <= SMALL else 1.0
        scale = min(largest, scale, math.sqrt(MOST / (height * width)))
        chances = self._detector.look(picture, scale)
        return Found(chances.boxes(), scale, chances.slopes())

    def _overlooks(self, picture: np.ndarray[Any, Any], boxes: Sequence[TextBox], scale: float) -> bool:
        """Whether there are lines that none of *boxes* holds, seen from nearer."""
        size = round(SIDE / min(scale, 1.0))
        edges = _edges(picture, boxes)
        down, across = (max(1, math.ceil(length / size)) for length in picture.shape[:2])
        tiles = cv2.resize(edges, (across, down), interpolation=cv2.INTER_AREA).reshape(-1)
        for index in np.argsort(tiles)[::-1][:SAMPLE]:
            if tiles[index] < EDGES:
                break
            top, left = (int(index) // across) * size, (int(index) % across) * size
            tile = np.ascontiguousarray(picture[top : top + size, left : left + size])
            there = self._detector.look(tile, min(scale, 1.0)).boxes()
            new = [one for one in there if not _held(one.box, boxes, left, top)]
            if len(new) >= NEW:
                return True
        return False


def _edges(picture: np.ndarray[Any, Any], boxes: Sequence[TextBox]) -> np.ndarray[Any, Any]:
    """Where brightness changes sharply outside of *boxes*, 0 or 1, at a quarter of the size."""
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    quarter = cv2.resize(cv2.morphologyEx(grey, cv2.MORPH_GRADIENT, np.ones((3, 3))), None, fx=0.25, fy=0.25)
    edges = (quarter > 64).astype(np.float32)
    for one in boxes:
        cv2.fillPoly(edges, [np.array(one.box.corners(), np.float32).astype(np.int32) // 4], 0)
    return edges


def _held(box: Box, boxes: Sequence[TextBox], left: int, top: int) -> bool:
    """Whether *box* of a tile at *left*, *top* lies in one of *boxes*."""
    at = (box.cx + left, box.cy + top)
    return any(cv2.pointPolygonTest(np.array(one.box.corners(), np.float32), at, False) >= 0 for one in boxes)
