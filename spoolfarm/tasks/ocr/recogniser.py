"""The recogniser: what a line of text says.

The network gives, for each 8 pixels of the line's length, how likely each character stands there; the text is what
remains of the likeliest ones without repeats and blanks (connectionist temporal classification, greedy decoding).
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import cv2
import numpy as np

from spoolfarm.tasks.ocr import models
from spoolfarm.tasks.ocr.box import Box
from spoolfarm.tasks.ocr.curve import Curve
from spoolfarm.tasks.ocr.letters import mostly_square
from spoolfarm.tasks.ocr.marks import Marks
from spoolfarm.tasks.ocr.page import Word

#: Pixels: the height of a line as the network wants it, and its least and greatest length; longer ones are squeezed.
HEIGHT, SHORTEST, LONGEST = 48, 48, 4800
#: Of the way from the middle of a word's last letter to that of the next word's first, what is the letter's own half.
HALF_LETTER = 0.35


class Recogniser:
    """Reads lines of text, one at a time: the time is in the pixels, so a batch would only add padding."""

    def __init__(self, threads: int, model: str = models.RECOGNISER) -> None:
        self._session = models.session(model, threads)
        names = self._session.get_modelmeta().custom_metadata_map["character"].splitlines()
        self._characters = ["", *names, " "]
        self._marks = Marks(self._characters)
        self._known = frozenset(self._characters)

    def knows(self, text: str) -> bool:
        """Whether all letters of *text* are among those that can be read."""
        return self._known.issuperset(text)

    def read(self, line: np.ndarray[Any, Any]) -> tuple[str, float, tuple[Word, ...]]:
        """Read a picture that `cut` made: its text, how sure that is, 0 to 1, and its words."""
        pixels = cv2.dnn.blobFromImage(line, 1 / 127.5, mean=(127.5, 127.5, 127.5))
        chances = self._session.run(None, {"x": pixels})[0][0]
        best = chances.argmax(axis=1)
        kept = _beginnings(best)
        if not len(kept):
            return "", 0.0, ()
        score = float(chances[kept, best[kept]].mean())
        text = self._spelt(best[kept])
        if mostly_square(text):
            best = self._marks.put(best, chances, kept)
            kept = _beginnings(best)
            text = self._spelt(best[kept])
        return text, score, words(text, (kept + 0.5) / len(best))

    def _spelt(self, indices: np.ndarray[Any, Any]) -> str:
        return "".join(self._characters[index] for index in indices)


def _beginnings(best: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The steps at which a character begins, of the likeliest ones of all steps."""
    return np.flatnonzero((best != 0) & (np.diff(best, prepend=0) != 0))


def words(text: str, places: np.ndarray[Any, Any]) -> tuple[Word, ...]:
    """The words of *text*, the middles of whose letters are at *places*, 0 to 1 along the line."""
    spans = [match.span() for match in re.finditer(r"\S+", text)] if len(text) == len(places) else []
    if not spans:
        return ()
    starts, ends = [0.0], []
    for (_, last), (first, _) in pairwise(spans):
        gap = float(places[first] - places[last - 1])
        ends.append(float(places[last - 1]) + HALF_LETTER * gap)
        starts.append(float(places[first]) - HALF_LETTER * gap)
    ends.append(1.0)
    return tuple(Word(text[a:b], start, end) for (a, b), start, end in zip(spans, starts, ends, strict=True))


def cut(picture: np.ndarray[Any, Any], box: Box, curve: Curve | None = None) -> np.ndarray[Any, Any]:
    """Cut *box* out of *picture*, laid level with its text upright, HEIGHT pixels high, along its *curve*."""
    length = round(min(max(box.w * HEIGHT / box.h, SHORTEST), LONGEST))
    shrink = max(1, round(box.h / HEIGHT))  # cut large text at its own size and shrink it after, or it gets jagged
    size = (length * shrink, HEIGHT * shrink)
    left_top, right_top, _, left_bottom = np.array(box.corners(), np.float32)
    if curve is None:
        target = np.array([(0, 0), (size[0], 0), (0, size[1])], np.float32)
        to_line = cv2.getAffineTransform(np.array([left_top, right_top, left_bottom]), target)
        line = cv2.warpAffine(picture, to_line, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    else:
        across = (np.arange(size[0]) / size[0])[None, :, None]
        down = (np.arange(size[1]) / size[1])[:, None, None]
        beside = curve.beside(box, (across - 0.5) * box.w) / box.h
        places = left_top + across * (right_top - left_top) + (down + beside) * (left_bottom - left_top)
        xs, ys = cv2.split(places.astype(np.float32))
        line = cv2.remap(picture, xs, ys, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return cv2.resize(line, (length, HEIGHT), interpolation=cv2.INTER_AREA) if shrink > 1 else line


def widened(line: np.ndarray[Any, Any], times: float) -> np.ndarray[Any, Any]:
    """*line*, a picture that `cut` made, so many *times* as long."""
    return cv2.resize(line, (round(times * line.shape[1]), line.shape[0]), interpolation=cv2.INTER_LINEAR)
