"""The readings: what the boxes of a picture say, each of them read once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from spoolfarm.tasks.ocr import script, turn
from spoolfarm.tasks.ocr.box import Box
from spoolfarm.tasks.ocr.curve import Curve
from spoolfarm.tasks.ocr.detector import TextBox
from spoolfarm.tasks.ocr.letters import mostly_square
from spoolfarm.tasks.ocr.page import Line
from spoolfarm.tasks.ocr.pair import Pair
from spoolfarm.tasks.ocr.recogniser import Recogniser, cut, widened
from spoolfarm.tasks.ocr.tesseract import Reading, Tesseract

QUARTERS = 4
#: A line read with a score between these is read again from nearer: the network cannot part letters, such as those of
#: small print, that follow each other too closely. Without its white edge above and below a line is so many times as
#: high; and it is made so many times as wide, as long as that makes it better.
GUESS, DOUBTFUL = 0.3, 0.9
TIGHT, WIDER = 0.88, (1.15, 1.4, 1.7, 2.0)
#: Such a reading must score so much better to be believed.
BETTER = 0.03


class Readings:
    """Reads boxes of *picture*, (height, width, 3) uint8.

    With *inside*, what the recogniser inside read, Tesseract reads a page in a script that it does not know: of the two
    readings of a line the better one counts.
    """

    def __init__(
        self, picture: np.ndarray[Any, Any], recogniser: Recogniser | Pair | Tesseract, inside: Readings | None = None
    ) -> None:
        self.picture = picture
        self._recogniser = recogniser
        self._inside = inside
        self._known: dict[tuple[TextBox, int], Line] = {}
        self._curves: dict[Box, Curve | None] = {}

    def line(self, one: TextBox, quarters: int) -> Line:
        """What a box says when its text is taken to run *quarters* further clockwise."""
        key = one, quarters % QUARTERS
        if key not in self._known:
            said = self._recogniser.read(cut(self.picture, one.box.turned(key[1]), one.curve))
            self._known[key] = self._line(key, said)
            self._curves[self._known[key].box] = one.curve
        return self._known[key]

    def cut(self, line: Line) -> np.ndarray[Any, Any]:
        """The picture of a line that was read."""
        return cut(self.picture, line.box, self._curves.get(line.box))

    def surer(self, lines: Sequence[Line]) -> list[Line]:
        """*lines*, some of these; the doubtful ones as they read from nearer where they do so better.

        Chinese and Japanese letters are as wide as high, and never too close.
        """
        careful = self._recogniser.careful if isinstance(self._recogniser, Pair) else self._recogniser
        if isinstance(careful, Tesseract) or mostly_square("".join(line.text for line in lines)):
            return list(lines)
        return [self._nearer(line, careful) if GUESS < line.score < DOUBTFUL else line for line in lines]

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

    def _nearer(self, line: Line, careful: Recogniser) -> Line:
        """*line*, or what *careful* reads from nearer, when that is surer."""
        curve = self._curves.get(line.box)
        line = _better(line, careful.read(cut(self.picture, replace(line.box, h=TIGHT * line.box.h), curve)))
        level = cut(self.picture, line.box, curve)
        for times in WIDER:
            wider = _better(line, careful.read(widened(level, times)))
            if wider is line:
                break
            line = wider
        return line

    def _all(self, tesseract: Tesseract, wanted: Iterable[tuple[TextBox, int]]) -> None:
        keys = list(dict.fromkeys(key for key in wanted if key not in self._known))
        said = tesseract.read_all([cut(self.picture, one.box.turned(quarters), one.curve) for one, quarters in keys])
        self._known.update({key: self._line(key, each) for key, each in zip(keys, said, strict=True)})

    def _line(self, key: tuple[TextBox, int], said: Reading) -> Line:
        (one, quarters), (text, score, words) = key, said
        line = Line(one.box.turned(quarters), text, score, one.score, words=words)
        return script.better(line, self._inside.line(*key)) if self._inside else line


def _better(line: Line, said: Reading) -> Line:
    """*line*, or what was *said* of it when it was surer and has no fewer letters."""
    text, score, words = said
    if score < line.score + BETTER or len("".join(text.split())) < len("".join(line.text.split())):
        return line
    return replace(line, text=text, score=score, words=words)
