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
#: Pixels that a name is high for each 1000 of the longer side, and at least.
HIGH, LEAST_HIGH = 18, 11
#: Pixels that the font is high at scale 1.
FONT_HIGH = 22
#: PNG's effort, 0 to 9: with 3 it takes 1.5 times as long (`python -m benchmarks.pieces`).
EFFORT = 1


class Overlay:
    """A picture on which objects are drawn one by one."""

    def __init__(self, picture: Pixels) -> None:
        self._picture = picture.copy()
        self._drawn = 0
        self._names: list[tuple[str, int, int]] = []

    def draw(self, instance: Instance, name: str = "") -> None:
        """Tint an object and draw its outline, and its *name*, in ASCII, in the middle of it."""
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
        if name:
            self._names.append((name, instance.left + columns // 2, instance.top + rows // 2))

    def png(self) -> bytes:
        """The file."""
        for name, x, y in self._names:  # last, so that no later object hides one
            self._write(name, x, y)
        return cv2.imencode(".png", self._picture, [cv2.IMWRITE_PNG_COMPRESSION, EFFORT])[1].tobytes()

    def _write(self, name: str, x: int, y: int) -> None:
        """Write *name* centred at a point, white on a black edge, which shows on any ground."""
        scale = max(LEAST_HIGH, HIGH * max(self._picture.shape[:2]) / 1000) / FONT_HIGH
        thick = max(1, round(scale * 2))
        (wide, high), _ = cv2.getTextSize(name, cv2.FONT_HERSHEY_SIMPLEX, scale, thick)
        at = x - wide // 2, y + high // 2
        for colour, width in (((0, 0, 0), thick + 2), ((255, 255, 255), thick)):
            cv2.putText(self._picture, name, at, cv2.FONT_HERSHEY_SIMPLEX, scale, colour, width, cv2.LINE_AA)
