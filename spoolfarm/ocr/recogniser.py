"""The recogniser: what a line of text says.

The network gives, for each 8 pixels of the line's length, how likely each character stands there; the text is what
remains of the likeliest ones without repeats and blanks (connectionist temporal classification, greedy decoding).
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from spoolfarm.ocr import models
from spoolfarm.ocr.box import Box

#: Pixels: the height of a line as the network wants it, and its least and greatest length; longer ones are squeezed.
HEIGHT, SHORTEST, LONGEST = 48, 48, 4800


class Recogniser:
    """Reads lines of text, one at a time: the time is in the pixels, so a batch would only add padding."""

    def __init__(self, threads: int) -> None:
        self._session = models.session(models.RECOGNISER, threads)
        names = self._session.get_modelmeta().custom_metadata_map["character"].splitlines()
        self._characters = ["", *names, " "]

    def read(self, line: np.ndarray[Any, Any]) -> tuple[str, float]:
        """Read a picture that `cut` made: its text, and how sure that is, 0 to 1."""
        pixels = cv2.dnn.blobFromImage(line, 1 / 127.5, mean=(127.5, 127.5, 127.5))
        chances = self._session.run(None, {"x": pixels})[0][0]
        best = chances.argmax(axis=1)
        kept = np.flatnonzero((best != 0) & (np.diff(best, prepend=0) != 0))
        if not len(kept):
            return "", 0.0
        text = "".join(self._characters[index] for index in best[kept])
        return text, float(chances[kept, best[kept]].mean())


def cut(picture: np.ndarray[Any, Any], box: Box) -> np.ndarray[Any, Any]:
    """Cut *box* out of *picture*, laid level with its text upright, HEIGHT pixels high."""
    length = round(min(max(box.w * HEIGHT / box.h, SHORTEST), LONGEST))
    shrink = max(1, round(box.h / HEIGHT))  # cut large text at its own size and shrink it after, or it gets jagged
    size = (length * shrink, HEIGHT * shrink)
    left_top, right_top, _, left_bottom = box.corners()
    source = np.array([left_top, right_top, left_bottom], np.float32)
    target = np.array([(0, 0), (size[0], 0), (0, size[1])], np.float32)
    line = cv2.warpAffine(
        picture, cv2.getAffineTransform(source, target), size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return cv2.resize(line, (length, HEIGHT), interpolation=cv2.INTER_AREA) if shrink > 1 else line
