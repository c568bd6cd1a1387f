"""The readings: what the boxes of a picture say, each of them read once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from spoolfarm.tasks.ocr import turn
from spoolfarm.tasks.ocr.detector import TextBox
from spoolfarm.tasks.ocr.page import Line
from spoolfarm.tasks.ocr.pair import Pair
from spoolfarm.tasks.ocr.recogniser import Recogniser, cut
from spoolfarm.tasks.ocr.tesseract import Reading, Tesseract

QUARTERS = 4


class Readings:
    """Reads boxes of *picture*, (height, width, 3) uint8."""

    def __init__(self, picture: np.ndarray[Any, Any], recogniser: Recogniser | Pair | Tesseract) -> None:
        self.picture = picture
        self._recogniser = recogniser
        self._known: dict[tuple[TextBox, int], Line] = {}

    def line(self, one: TextBox, quarters: int) -> Line:
        """What a box says when its text is taken to run *quarters* further clockwise."""
        key = one, quarters % QUARTERS
        if key not in self._known:
            said = self._recogniser.read(cut(self.picture, one.box.turned(key[1]), one.curve))
            self._known[key] = _line(key, said)
        return self._known[key]

    def ahead(self, found: Sequence[TextBox]) -> None:
        """Read boxes that `turn` is going to ask for, where many at once are read sooner than each for itself."""
        if not isinstance(self._recogniser, Tesseract):
            return
        axis = turn.by_shape([one.box for one in found])
        if axis is None:
            self._all(self._recogniser, ((one, by) for one in turn.sample(found) for by in range(QUARTERS)))
        axis = axis or 0
        self._all(self._recogniser, ((one, axis) for one in found))
        self._all(self._recogniser, ((one, axis + 2) for one in found if self.line(one, axis).score < turn.UNSURE))

    def _all(self, tesseract: Tesseract, wanted: Iterable[tuple[TextBox, int]]) -> None:
        keys = list(dict.fromkeys(key for key in wanted if key not in self._known))
        said = tesseract.read_all([cut(self.picture, one.box.turned(quarters), one.curve) for one, quarters in keys])
        self._known.update({key: _line(key, each) for key, each in zip(keys, said, strict=True)})


def _line(key: tuple[TextBox, int], said: Reading) -> Line:
    (one, quarters), (text, score, words) = key, said
    return Line(one.box.turned(quarters), text, score, one.score, words=words)
