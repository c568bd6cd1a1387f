"""The reader: from a picture to a page, the detector, the recogniser and the layout in one."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import cv2
import numpy as np

from spoolfarm.tasks.ocr import layout
from spoolfarm.tasks.ocr.box import Box
from spoolfarm.tasks.ocr.detector import Detector, TextBox
from spoolfarm.tasks.ocr.page import Line, Page
from spoolfarm.tasks.ocr.recogniser import Recogniser, cut

#: How many times as tall as wide a box is that votes for a turned page, and one that is read as turned whatever the
#: vote: between the two stands a single digit.
TALL, SURELY_TALL = 1.5, 3.0
#: A line read with less than this score is read again upside down. Upright lines rarely score less, others never more.
UNSURE = 0.88
#: The second reading must score this much better to be believed.
BETTER = 0.05
#: So many of the longest lines are read first: when most of them stand on their head, the others are taken to as well.
PROBES = 5

Picture = np.ndarray[Any, np.dtype[np.uint8]]
Polygon = Sequence[Sequence[float]]


class Reader:
    """Reads pages, one at a time, keeping at most *threads* threads busy."""

    def __init__(self, threads: int = 1) -> None:
        self._detector = Detector(threads)
        self._recogniser = Recogniser(threads)

    def read(
        self,
        picture: Picture,
        *,
        rotate: bool = True,
        side: int = 1280,
        min_score: float = 0.5,
        order: str = "auto",
        regions: Sequence[Polygon] = (),
        ignore: Sequence[Polygon] = (),
    ) -> Page:
        """Read *picture*, (height, width, 3) uint8 in BGR order.

        Without *rotate* all text is taken to be upright. *side* is what the longer side is shrunk to for finding
        lines. Lines below *min_score* are dropped, as are those whose centre lies in none of *regions* or in one of
        *ignore*, polygons in the picture's pixels. *order* is explained at `layout.arrange`.
        """
        start = time.perf_counter()
        found = [one for one in self._detector.find(picture, side) if wanted(one.box, regions, ignore)]
        middle = time.perf_counter()
        lines = self._turned(picture, found) if rotate else [self._line(picture, one) for one in found]
        rotation = voted(lines) if rotate else 0
        kept = [line for line in lines if line.text.strip() and line.score >= min_score]
        end = time.perf_counter()
        placed, text = layout.arrange(kept, rotation, order)
        height, width = picture.shape[:2]
        ms = {"detect": (middle - start) * 1000, "recognise": (end - middle) * 1000}
        return Page(width, height, rotation, placed, text, ms)

    @staticmethod
    def place(
        lines: Sequence[Line],
        size: tuple[int, int],
        rotation: int | None = None,
        *,
        order: str = "auto",
        regions: Sequence[Polygon] = (),
        ignore: Sequence[Polygon] = (),
    ) -> Page:
        """The page of *size*, width and height, with *lines* in order; `read` explains the rest."""
        turn = voted(lines) if rotation is None else rotation
        kept = [line for line in lines if wanted(line.box, regions, ignore)]
        placed, text = layout.arrange(kept, turn, order)
        return Page(*size, turn, placed, text, {})

    def _turned(self, picture: Picture, found: Sequence[TextBox]) -> list[Line]:
        """Read lines that may be turned by any number of quarters."""
        boxes = upright_or_downwards(found)
        longest = sorted(range(len(boxes)), key=lambda index: -boxes[index].box.w)
        lines = {index: self._either(picture, boxes[index]) for index in longest[:PROBES]}
        over = {index for index, line in lines.items() if line.box != boxes[index].box}
        upside_down = 2 * sum(boxes[index].box.w for index in over) > sum(boxes[index].box.w for index in lines)
        for index in longest:
            if index not in lines or (upside_down and index not in over):  # 69 reads well both ways: ask the others
                lines[index] = self._either(picture, boxes[index], 2 if upside_down else 0)
        return [lines[index] for index in range(len(boxes))]

    def _either(self, picture: Picture, found: TextBox, quarters: int = 0) -> Line:
        """Read a line turned by *quarters*, and when that is doubtful, the other way up too."""
        line = self._line(picture, found, quarters)
        if line.score < UNSURE:
            other = self._line(picture, found, quarters + 2)
            if other.score >= line.score + BETTER:
                return other
        return line

    def _line(self, picture: Picture, found: TextBox, quarters: int = 0) -> Line:
        box = found.box.turned(quarters)
        text, score, words = self._recogniser.read(cut(picture, box))
        return Line(box, text, score, found.score, words=words)


def upright_or_downwards(found: Sequence[TextBox]) -> list[TextBox]:
    """Turn tall boxes so that their text runs down; those that could be either go with most of the others' length."""
    lying = sum(one.box.w for one in found if one.box.w >= TALL * one.box.h)
    standing = sum(one.box.h for one in found if one.box.h >= TALL * one.box.w)

    def stands(box: Box) -> bool:
        if max(box.w, box.h) >= SURELY_TALL * min(box.w, box.h):
            return box.h > box.w
        return standing > lying

    return [replace(one, box=one.box.turned(1)) if stands(one.box) else one for one in found]


def voted(lines: Sequence[Line]) -> int:
    """The clockwise turn in degrees that most of the text, by length, agrees on."""
    votes = Counter[int]()
    for line in lines:
        if line.text and line.box.w >= TALL * line.box.h:
            votes[round(line.box.angle / 90) % 4 * 90] += round(line.box.w * line.score)
    return max(votes, key=lambda turn: votes[turn], default=0)


def wanted(box: Box, regions: Sequence[Polygon], ignore: Sequence[Polygon]) -> bool:
    """Whether the centre of *box* lies in one of *regions*, when there are any, and in none of *ignore*."""

    def inside(polygon: Polygon) -> bool:
        return cv2.pointPolygonTest(np.array(polygon, np.float32), (box.cx, box.cy), False) >= 0

    return (not regions or any(map(inside, regions))) and not any(map(inside, ignore))
