"""The box of a line of text: a rectangle that knows which way its text runs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels, y downwards: centre, length along the text, height across it, direction of the text.

    `angle` is in degrees, clockwise as seen, in (-180, 180]: 0 for upright text, 90 for text that runs down.
    """

    cx: float
    cy: float
    w: float
    h: float
    angle: float

    @classmethod
    def of_rect(cls, centre: Sequence[float], size: Sequence[float], angle: float) -> Box:
        """The box of a rectangle of cv2.minAreaRect, its text taken to run as level as the sides allow."""
        box = cls(centre[0], centre[1], size[0], size[1], angle)
        return box.turned(-round(angle / 90))

    def turned(self, quarters: int) -> Box:
        """The same rectangle with its text taken to run *quarters* of a full turn further clockwise."""
        if quarters % 4 == 0:
            return self
        w, h = (self.h, self.w) if quarters % 2 else (self.w, self.h)
        return Box(self.cx, self.cy, w, h, -((-self.angle - 90 * quarters + 180) % 360 - 180))

    def with_page(self, quarters: int, width: float, height: float) -> Box:
        """The box where it lies when its page of *width* x *height* pixels is turned by *quarters* clockwise."""
        cx, cy = self.cx, self.cy
        for _ in range(quarters % 4):
            cx, cy, width, height = height - cy, cx, height, width
        return replace(self, cx=cx, cy=cy, angle=-((-self.angle - 90 * quarters + 180) % 360 - 180))

    def corners(self) -> list[tuple[float, float]]:
        """The corners, clockwise, beginning at the top left of the text."""
        cos, sin = math.cos(math.radians(self.angle)), math.sin(math.radians(self.angle))
        halves = ((-self.w, -self.h), (self.w, -self.h), (self.w, self.h), (-self.w, self.h))
        return [(self.cx + (x * cos - y * sin) / 2, self.cy + (x * sin + y * cos) / 2) for x, y in halves]
