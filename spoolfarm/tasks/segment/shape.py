"""The shape of one object: what can be measured of its mask, in pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2

from spoolfarm.tasks.segment.feret import Feret, feret
from spoolfarm.tasks.segment.instance import Instance, Pixels
from spoolfarm.tasks.segment.orientation import Axis, axis
from spoolfarm.tasks.segment.perimeter import perimeter


@dataclass(frozen=True)
class Shape:
    """An object's measures; lengths are in pixels, areas in pixels."""

    axis: Axis
    perimeter: float
    feret: Feret
    #: The means of red, green and blue, 0 to 255.
    colour: tuple[float, float, float]
    #: Whether it touches the picture's edge, so that a part of it may be missing.
    at_edge: bool

    @property
    def equivalent_diameter(self) -> float:
        """The diameter of the disc of the same area."""
        return math.sqrt(4 * self.axis.area / math.pi)

    @property
    def circularity(self) -> float:
        """4 pi area / perimeter²: 1 for a disc, less for anything else."""
        return min(1.0, 4 * math.pi * self.axis.area / self.perimeter**2)


def shape(instance: Instance, picture: Pixels) -> Shape:
    """Measure an object whose mask is not empty in *picture* (height, width, 3), BGR."""
    rows, columns = instance.mask.shape
    window = picture[instance.top : instance.top + rows, instance.left : instance.left + columns]
    blue, green, red, _ = cv2.mean(window, instance.mask)
    height, width = picture.shape[:2]
    left, top, wide, high = cv2.boundingRect(instance.mask)
    left, top = left + instance.left, top + instance.top
    at_edge = min(left, top) == 0 or left + wide == width or top + high == height
    return Shape(axis(instance), perimeter(instance.mask), feret(instance.mask), (red, green, blue), at_edge)
