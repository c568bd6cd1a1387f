"""The curve: how the middle of a line of text bends away from the axis of its box."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np

from spoolfarm.tasks.ocr.box import Box

Array = np.ndarray[Any, Any]

#: A core that may bend is at least so many times as long as thick, and most of it at most so many times as thick as the
#: half of it; what its middle does within so many thicknesses is noise.
LONG, EVEN, SMOOTH = 5.0, 1.7, 2.0
#: It bends when its middle strays from its axis by this part of its thickness.
BENDS = 0.3


@dataclass(frozen=True, slots=True)
class Curve:
    """Where the middle of a line lies beside its axis. Lengths are in pixels."""

    #: Which way the axis runs, in degrees, clockwise as seen, and how long it is.
    angle: float
    length: float
    #: How far to the right of the axis, seen along it, the middle of each of so many equal pieces lies.
    offsets: tuple[float, ...]

    def turned(self, quarters: int) -> Curve:
        """The curve when its page is turned by *quarters* clockwise."""
        return replace(self, angle=self.angle + 90 * quarters)

    def beside(self, box: Box, along: Array) -> Array:
        """How far below the axis of *box*, as its text runs, the line is at places *along* it, from its middle."""
        quarters = round((box.angle - self.angle) / 90) % 4
        if quarters % 2:
            return np.zeros_like(along)
        sign = 1 - quarters
        places = (np.arange(len(self.offsets)) + 0.5) / len(self.offsets) * self.length - self.length / 2
        below: Array = sign * np.interp(sign * along, places, self.offsets)
        return below


def followed(outline: Array, core: Box) -> tuple[Box, Curve] | None:
    """The core with this *outline*, no thicker than it is, and its curve; None when it is straight, or no line's.

    *outline* is (points, 1, 2) in pixels, *core* the smallest rectangle around it.
    """
    lying = core if core.w >= core.h else core.turned(1)
    area = cv2.contourArea(outline)
    if lying.w**2 < LONG * area or lying.w * lying.h < (1 + BENDS) * area:
        return None
    angle = math.radians(lying.angle)
    cos, sin = math.cos(angle), math.sin(angle)
    points = (outline.reshape(-1, 2) - (lying.cx, lying.cy)) @ np.array([[cos, -sin], [sin, cos]])
    mask: Array = np.zeros((math.ceil(lying.h) + 1, math.ceil(lying.w) + 1), np.uint8)
    cv2.fillPoly(mask, [np.round(points + np.array([lying.w / 2, lying.h / 2])).astype(np.int32)], 1)
    counts = np.maximum(mask.sum(axis=0), 1)
    thick = float(np.median(counts))
    if np.percentile(counts, 90) > EVEN * thick:
        return None
    middles = (mask * np.arange(len(mask))[:, None]).sum(axis=0) / counts - lying.h / 2
    pieces = np.array_split(middles, max(2, round(lying.w / (SMOOTH * thick))))
    offsets = np.array([piece.mean() for piece in pieces])
    beside = float(offsets.mean())
    offsets -= beside
    if np.abs(offsets).max() < BENDS * thick:
        return None
    middle = replace(lying, cx=lying.cx - beside * sin, cy=lying.cy + beside * cos, h=thick)
    curve = Curve(lying.angle, lying.w, tuple(offsets.tolist()))
    return middle.turned(0 if core.w >= core.h else -1), curve
