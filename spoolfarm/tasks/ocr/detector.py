"""The detector: where on a picture text stands.

The network marks the core of each line of text; a line's box is the smallest rectangle around its core, grown back to
the size of the text: Differentiable Binarization, https://arxiv.org/abs/1911.08947, section 3.5.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import cv2
import numpy as np

from spoolfarm.tasks.ocr import growth, models
from spoolfarm.tasks.ocr.box import Box
from spoolfarm.tasks.ocr.curve import Curve, followed
from spoolfarm.tasks.ocr.slopes import Slopes

#: The network wants sides that are multiples of this many pixels.
STRIDE = 32
#: Pixels put around a picture: text that touches its edge is found too.
MARGIN = 16
#: Pixels of one look at most, but for its margins, and what it needs to see around what it tells of.
LARGEST, CONTEXT = 1248, 96
#: Probability above which a pixel belongs to the core of a line.
PIXEL = 0.3
#: Mean probability below which a core is no text.
CORE = 0.5
#: Cores thinner than these many pixels of the network's output are specks.
THIN = 3
#: More lines than any page has: what is beyond is noise and would only cost time.
MOST = 2000


@dataclass(frozen=True, slots=True)
class TextBox:
    """A box that may hold text, and how sure the detector is, 0 to 1."""

    box: Box
    score: float
    #: How its line bends, when it does.
    curve: Curve | None = None


@dataclass(frozen=True, slots=True)
class Chances:
    """How likely each pixel of a shrunk picture, and of MARGIN pixels around it, belongs to the core of a line.

    A pixel is *across* by *down* pixels of the picture.
    """

    values: np.ndarray[Any, Any]
    across: float
    down: float

    def boxes(self) -> list[TextBox]:
        """The boxes of the lines, in the picture's pixels."""
        found = list(_cores(self.values, self.across, self.down))
        grown = growth.boxes([one.box for one in found], [one.curve is not None for one in found])
        return [replace(one, box=box) for one, box in zip(found, grown, strict=True)]

    def slopes(self) -> Slopes:
        """How the lines rise and fall."""
        return Slopes.of((self.values > PIXEL).astype(np.uint8), MARGIN, self.across, self.down)


class Detector:
    """Finds lines of text."""

    def __init__(self, threads: int, model: str = models.DETECTOR) -> None:
        self._session = models.session(model, threads, arena=True)  # LARGEST bounds what it takes

    def look(self, picture: np.ndarray[Any, Any], scale: float) -> Chances:
        """Look at *picture*, (height, width, 3) uint8, at *scale*."""
        height, width = picture.shape[:2]
        size = max(1, round(width * scale)), max(1, round(height * scale))
        if scale != 1:
            picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
        paper = np.median(np.concatenate((picture[0], picture[-1], picture[:, 0], picture[:, -1])), axis=0)
        chances = np.zeros((size[1] + 2 * MARGIN, size[0] + 2 * MARGIN), np.float32)
        for down in tiles(size[1]):
            for across in tiles(size[0]):
                look = self._look(picture[down.start : down.end, across.start : across.end], paper)
                inner = look[down.kept_from : down.kept_to, across.kept_from : across.kept_to]
                top, left = down.start + down.kept_from, across.start + across.kept_from
                chances[top : top + inner.shape[0], left : left + inner.shape[1]] = inner
        return Chances(chances, width / size[0], height / size[1])

    def _look(self, picture: np.ndarray[Any, Any], paper: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """How likely each pixel of *picture*, and of MARGIN pixels of *paper* around it, belongs to a line's core."""
        height, width = picture.shape[:2]
        pixels = cv2.dnn.blobFromImage(_framed(picture, paper), 1 / 127.5, mean=(127.5, 127.5, 127.5))
        chances: np.ndarray[Any, Any] = self._session.run(None, {"x": pixels})[0][0, 0]
        return chances[: height + 2 * MARGIN, : width + 2 * MARGIN]


@dataclass(frozen=True, slots=True)
class Tile:
    """A piece of a length, and what of the look at it, with its margins, is taken."""

    start: int
    end: int
    kept_from: int
    kept_to: int


def tiles(length: int) -> list[Tile]:
    """Pieces of *length* that overlap, of which together all is taken once."""
    if length <= LARGEST:
        return [Tile(0, length, 0, length + 2 * MARGIN)]
    count = math.ceil((length - 2 * CONTEXT) / (LARGEST - 2 * CONTEXT))
    starts = [round(number * (length - LARGEST) / (count - 1)) for number in range(count)]
    cuts = [(before + LARGEST + after) // 2 for before, after in pairwise(starts)]
    edges = [-MARGIN, *cuts, length + MARGIN]
    return [
        Tile(start, start + LARGEST, edges[number] - start + MARGIN, edges[number + 1] - start + MARGIN)
        for number, start in enumerate(starts)
    ]


def _framed(picture: np.ndarray[Any, Any], paper: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Put *paper* around *picture*: MARGIN pixels, and what makes its sides multiples of STRIDE."""
    height, width = picture.shape[:2]
    right, below = (MARGIN + -(length + 2 * MARGIN) % STRIDE for length in (width, height))
    return cv2.copyMakeBorder(picture, MARGIN, below, MARGIN, right, cv2.BORDER_CONSTANT, value=paper.tolist())


def _cores(chances: np.ndarray[Any, Any], across: float, down: float) -> Iterator[TextBox]:
    """The cores in a map of probabilities whose pixels are *across* by *down* pixels of the picture."""
    cores = cv2.dilate((chances > PIXEL).astype(np.uint8), np.ones((2, 2), np.uint8))
    outlines = cv2.findContours(cores, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)[0]
    for outline in reversed(outlines[:MOST]):  # OpenCV finds them from the bottom up
        if min(cv2.minAreaRect(outline)[1]) < THIN:
            continue
        on_picture = ((outline - MARGIN) * (across, down)).astype(np.float32)
        core, curve = Box.of_rect(*cv2.minAreaRect(on_picture)), None
        if bent := followed(on_picture, core):
            core, curve = bent
        score = _mean(chances, outline, outline if curve else cv2.boxPoints(cv2.minAreaRect(outline)))
        if score >= CORE:
            yield TextBox(core, score, curve)


def _mean(chances: np.ndarray[Any, Any], outline: np.ndarray[Any, Any], area: np.ndarray[Any, Any]) -> float:
    """The mean probability inside *area*, a polygon, where it lies in the upright rectangle around *outline*."""
    x, y, w, h = cv2.boundingRect(outline)
    mask = np.zeros((h, w), np.uint8)
    cv2.fillPoly(mask, [(area - (x, y)).astype(np.int32)], 1)
    return float(cv2.mean(chances[y : y + h, x : x + w], mask)[0])
