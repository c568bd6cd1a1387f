"""The overlay: the picture with its objects in colours, for people."""

from __future__ import annotations

import colorsys

import cv2
import numpy as np

from spoolfarm.tasks.segment.instance import Instance, Pixels

#: Steps of the hue from one object to the next, in turns: the golden ratio keeps neighbours apart.
HUE = 0.618034
#: How much of the picture shows through, and pixels of the outline for each 1000 of the picture's longer side.
THROUGH, OUTLINE = 0.55, 2.5
#: PNG's effort, 0 to 9: with 3 it takes 1.5 times as long (`python -m benchmarks.pieces`).
EFFORT = 1


class Overlay:
    """A picture on which objects are drawn one by one."""

    def __init__(self, picture: Pixels) -> None:
        self._picture = picture.copy()
        self._drawn = 0

    def draw(self, instance: Instance) -> None:
        """Tint an object and draw its outline."""
        rgb = colorsys.hsv_to_rgb(self._drawn * HUE % 1, 0.85, 1)
        colour = tuple(round(255 * part) for part in reversed(rgb))
        self._drawn += 1
        rows, columns = instance.mask.shape
        window = self._picture[instance.top : instance.top + rows, instance.left : instance.left + columns]
        inside = instance.mask > 0
        window[inside] = (THROUGH * window[inside] + (1 - THROUGH) * np.array(colour)).astype(np.uint8)
        outer, _ = cv2.findContours(instance.mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        thickness = max(1, round(OUTLINE * max(self._picture.shape[:2]) / 1000))
        offset = instance.left, instance.top
        cv2.drawContours(self._picture, outer, -1, colour, thickness, cv2.LINE_AA, offset=offset)

    def png(self) -> bytes:
        """The file."""
        return cv2.imencode(".png", self._picture, [cv2.IMWRITE_PNG_COMPRESSION, EFFORT])[1].tobytes()
