"""The outline: a mask as polygons."""

from __future__ import annotations

import cv2

from spoolfarm.tasks.segment.instance import Instance

#: Corners that COCO's readers want at least.
CORNERS = 3


def polygons(instance: Instance) -> list[list[int]]:
    """The outer borders of the mask's parts, each as [x, y, x, y, ...] through the centres of its outermost pixels.

    Filled, borders included, they give the mask back, without its holes. A part too thin for three corners has its last
    one repeated.
    """
    offset = instance.left, instance.top
    outer, _ = cv2.findContours(instance.mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE, offset=offset)
    found = []
    for border in outer:
        corners = border[:, 0].tolist()
        corners += corners[-1:] * (CORNERS - len(corners))
        found.append([value for corner in corners for value in corner])
    return found
