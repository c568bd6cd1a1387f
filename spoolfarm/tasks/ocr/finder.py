"""The finder: the lines of a picture, found at a scale at which its letters can be seen.

Most pictures are shrunk to one look of the detector. Of a large one whose letters become too small by that, or of a
long strip, overlapping tiles are looked at.
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

#: What is said of a picture whose letters are hardly seen: where they are so because it was shrunk, and where not.
SHRUNK = "some letters are too small to be read surely at this side; raise it, or leave it out"
LOW = "some letters are too small to be read surely; send a larger picture"

#: Pixels of the longer side in one look, and of the shorter one below which a picture is a strip.
SIDE, STRIP = 1280, 320
#: Boxes lower than this many pixels in a look are of letters that are hardly seen; in tiles they get so many pixels.
SMALL, WANTED = 9.0, 16.0
#: The part of the boxes that must be small.
PART = 0.2
#: A picture shrunk below this scale may have letters of which nothing is seen: up to so many of its tiles are looked at
#: where it has the most edges, at a scale at which the longer side has so many pixels.
FAINT, SAMPLE, CLOSER = 0.26, 3, 4096
#: A tile has something to look for when this part of it are edges, and something new when so many lines are found.
EDGES, NEW = 0.002, 2
#: The most that tiles are enlarged over one look: pixels of the shrunk picture.
MOST = 24_000_000


@dataclass(frozen=True, slots=True)
class Found:
    """What was found, and what there is to say about letters that are too small."""

    boxes: list[TextBox]
    warnings: tuple[str, ...] = ()


class Finder:
    """Finds lines with *detector*."""

    def __init__(self, detector: Detector) -> None:
        self._detector = detector

    def find(self, picture: np.ndarray[Any, Any], side: int | None) -> Found:
        """Find the lines of *picture*, (height, width, 3) uint8, in one look of *side* pixels, or by itself."""
        height, width = picture.shape[:2]
        long, short = max(height, width), min(height, width)
        scale = min(1.0, ((side or SIDE) - 2 * MARGIN) / long)
        if side is None and short * scale < STRIP and scale < 1:
            return self._in_tiles(picture, SIDE / short)
        boxes = self._detector.find(picture, scale)
        lows = heights(boxes, scale)
        small = _small(lows)
        if side is None and scale < 1:
            if small:
                return self._in_tiles(picture, scale * WANTED / max(float(np.quantile(lows, PART)), 2.0))
            if scale < FAINT and self._overlooks(picture, boxes, CLOSER / long):
                return self._in_tiles(picture, CLOSER / long)
        strip = not boxes and short * scale < STRIP and scale < FAINT
        return Found(boxes, _warnings(small or strip, scale))

    def _in_tiles(self, picture: np.ndarray[Any, Any], scale: float) -> Found:
        height, width = picture.shape[:2]
        scale = min(1.0, scale, math.sqrt(MOST / (height * width)))
        boxes = self._detector.find(picture, scale)
        return Found(boxes, _warnings(_small(heights(boxes, scale)), scale))

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
            new = [one for one in self._detector.find(tile, min(scale, 1.0)) if not _held(one.box, boxes, left, top)]
            if len(new) >= NEW:
                return True
        return False


def heights(boxes: Sequence[TextBox], scale: float) -> list[float]:
    """How high the lines of *boxes* are in a look at *scale*, in pixels."""
    return [min(one.box.w, one.box.h) * scale for one in boxes]


def _small(lows: Sequence[float]) -> bool:
    return sum(low < SMALL for low in lows) > PART * len(lows)


def _warnings(small: bool, scale: float) -> tuple[str, ...]:
    return (SHRUNK if scale < 1 else LOW,) if small else ()


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
