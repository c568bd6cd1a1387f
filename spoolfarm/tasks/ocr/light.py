"""The light: a picture taken in poor light is made brighter, for the networks know paper that is nearly white."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from spoolfarm.tasks.ocr import turn
from spoolfarm.tasks.ocr.detector import TextBox
from spoolfarm.tasks.ocr.recogniser import cut

Array = np.ndarray[Any, np.dtype[np.uint8]]

#: Paper, or light letters on a dark ground, below this brightness, of 255, is made as bright as that.
DARK, BRIGHT = 120.0, 230.0
#: So many of the longest lines tell how bright a picture is, each by what so many per cent of it do not reach.
LINES, BELOW = 20, 90


def brightened(picture: Array, found: Sequence[TextBox]) -> Array | None:
    """*picture*, (height, width, 3) uint8, made brighter by its lines *found*; None when it is bright enough."""
    lines = [cut(picture, one.box, one.curve) for one in turn.longest(found)[:LINES]]
    if not lines:
        return None
    light = float(np.median([np.percentile(cv2.cvtColor(line, cv2.COLOR_BGR2GRAY), BELOW) for line in lines]))
    if light >= DARK:
        return None
    bright: Array = cv2.convertScaleAbs(picture, alpha=BRIGHT / max(light, 1.0)).astype(np.uint8, copy=False)
    return bright
