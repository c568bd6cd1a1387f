"""The axis: size, centre, direction and elongation of a mask, from its moments."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2

from spoolfarm.tasks.segment.instance import Instance


@dataclass(frozen=True)
class Axis:
    """What the moments of a mask say of it."""

    #: Pixels.
    area: int
    #: Centre of mass in pixels of the picture, where (0, 0) is the centre of the first one.
    centroid: tuple[float, float]
    #: Direction of the long axis in (-90, 90]: 0 along the picture's x axis, counter-clockwise as seen.
    degree: float
    #: 0 for a circle, towards 1 for a line. Below 0.35 the shape is round and the direction means little.
    eccentricity: float
    #: Whole lengths of the long and the short axis of the ellipse with the same moments, in pixels.
    lengths: tuple[float, float]


def axis(instance: Instance) -> Axis:
    """Measure a mask that is not empty.

    With central moments mu in pixels, `degree = 1/2 atan2(-2 mu11, mu20 - mu02)`, the minus because y points down; the
    ellipse with the same second moments has half axes `2 sqrt(lambda)`, lambda being the eigenvalues of the mask's
    covariance (Prokop and Reeves, "A survey of moment-based techniques", 1992).
    """
    found = cv2.moments(instance.mask, binaryImage=True)
    area = found["m00"]
    wide, high, both = found["mu20"] / area, found["mu02"] / area, found["mu11"] / area
    degree = math.degrees(math.atan2(-2 * both, wide - high)) / 2
    spread = math.hypot(wide - high, 2 * both)
    long, short = (wide + high + spread) / 2, max(0.0, (wide + high - spread) / 2)
    return Axis(
        area=round(area),
        centroid=(instance.left + found["m10"] / area, instance.top + found["m01"] / area),
        degree=degree + 180 if degree <= -90 else degree + 0.0,  # the sum turns -0.0 into 0.0
        eccentricity=math.sqrt(max(0.0, 1 - short / long)) if long > 0 else 0.0,
        lengths=(4 * math.sqrt(long), 4 * math.sqrt(short)),
    )
