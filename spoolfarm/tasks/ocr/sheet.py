"""The sheet: a page that bends in its photograph, laid flat by the slopes of its lines."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np

from spoolfarm.tasks.ocr.box import Box
from spoolfarm.tasks.ocr.slopes import Slopes, Surface

Array = np.ndarray[Any, Any]

#: How much the slope of lines differs over a page that is bent; scans stay below a half of that.
BENT = 0.006
#: Pixels from one column to the next for which it is told where it comes from.
STEP = 16
#: Rows of the flat picture that are drawn at once: a large one would take too much memory.
BAND = 512


@dataclass(frozen=True, slots=True)
class Sheet:
    """A flat *picture*, and from where on the bent one each of its rows came.

    Columns stay where they are, and rows follow the lines. Of a page whose lines stand it is the other way round.
    """

    picture: Array
    standing: bool
    #: In the bent picture, y of each point at multiples of STEP pixels of the flat one.
    rows: Array

    @classmethod
    def of(cls, picture: Array, slopes: Slopes, before: Sheet | None = None) -> Sheet:
        """Lay *picture*, (height, width, 3) uint8, flat by the *slopes* of its lines.

        With a sheet that was laid flat *before*, the slopes are those that are left on it.
        """
        lying = picture.transpose(1, 0, 2) if slopes.standing else picture
        rows: Array = _followed(slopes.surface()).astype(np.float32)
        if before is not None:
            across = np.tile(np.arange(rows.shape[1], dtype=np.float32), (rows.shape[0], 1))
            rows = cv2.remap(before.rows, across, rows / STEP, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        flat = _drawn(np.ascontiguousarray(lying), rows)
        flat = np.ascontiguousarray(flat.transpose(1, 0, 2)) if slopes.standing else flat
        return cls(flat, slopes.standing, rows)

    def bent(self, box: Box) -> Box:
        """Where *box* of the flat picture lies in the bent one; it stays a rectangle."""
        corners = [self.point(x, y) for x, y in box.corners()]
        (x0, y0), (x1, y1), (x2, y2), (x3, y3) = corners
        cx, cy = self.point(box.cx, box.cy)
        along = (x1 + x2 - x0 - x3) / 2, (y1 + y2 - y0 - y3) / 2
        across = (x2 + x3 - x0 - x1) / 2, (y2 + y3 - y0 - y1) / 2
        angle = math.degrees(math.atan2(along[1], along[0]))
        w = math.hypot(*along)
        h = abs(along[0] * across[1] - along[1] * across[0]) / max(w, 1e-6)
        return replace(box, cx=cx, cy=cy, w=w, h=h, angle=angle)

    def point(self, x: float, y: float) -> tuple[float, float]:
        """Where a point of the flat picture lies in the bent one."""
        if self.standing:
            return self._row(y, x), y
        return x, self._row(x, y)

    def _row(self, x: float, y: float) -> float:
        """The row of the bent picture from which the point came; linear between the known ones."""
        down, across = (min(max(at / STEP, 0), size - 1.001) for at, size in zip((y, x), self.rows.shape, strict=True))
        top, left = int(down), int(across)
        (a, b), (c, d) = self.rows[top : top + 2, left : left + 2]
        down, across = down - top, across - left
        return float((a * (1 - across) + b * across) * (1 - down) + (c * (1 - across) + d * across) * down)


def _drawn(picture: Array, rows: Array) -> Array:
    """*picture* drawn anew, a band at a time, each of its points taken from where *rows* say."""
    flat = np.empty_like(picture)
    height, width = picture.shape[:2]
    columns = np.tile(np.arange(width, dtype=np.float32), (BAND, 1))
    for top in range(0, height, BAND):
        size = min(BAND, height - top)
        finer = np.array([[STEP, 0, 0], [0, STEP, -top]], np.float32)
        fine = cv2.warpAffine(rows, finer, (width, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        flat[top : top + size] = cv2.remap(
            picture, columns[:size], fine, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
    return flat


def _followed(surface: Surface) -> Array:
    """Follow the slopes from the middle column to both edges."""
    columns = np.arange(0, surface.width + 2 * STEP, STEP)
    start = np.arange(0, surface.height + 2 * STEP, STEP, dtype=float)
    rows = np.zeros((len(start), len(columns)))
    middle = len(columns) // 2
    rows[:, middle] = start
    for at in range(middle, len(columns) - 1):
        rows[:, at + 1] = rows[:, at] + STEP * surface.at(np.full_like(start, columns[at]), rows[:, at])
    for at in range(middle, 0, -1):
        rows[:, at - 1] = rows[:, at] - STEP * surface.at(np.full_like(start, columns[at]), rows[:, at])
    return rows
