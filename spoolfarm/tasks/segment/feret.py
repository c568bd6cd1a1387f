"""Feret's diameters: how long and how wide an object is between the jaws of a caliper."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from spoolfarm.tasks.segment.instance import Pixels

Points = np.ndarray[Any, np.dtype[np.float64]]

#: From a pixel's centre to the middles of its four edges, twice: in halves of a pixel.
EDGES = np.array([[1, 0], [-1, 0], [0, 1], [0, -1]], np.int32)


@dataclass(frozen=True)
class Feret:
    """The largest and the smallest distance of two parallel jaws, in pixels, and the directions that they are along.

    Directions are in degrees in (-90, 90], counter-clockwise from the picture's x axis as seen.
    """

    most: float
    most_degree: float
    least: float
    least_degree: float


def feret(mask: Pixels) -> Feret:
    """Measure a mask that is not empty, by its convex hull.

    The hull is that of the middles of its pixels' edges: a row of n pixels is n long and 1 wide. scikit-image fills the
    hull with pixels first, so its `feret_diameter_max` is up to a pixel more. The smallest width lies across an edge of
    the hull (Houle and Toussaint, "Computing the width of a set", 1988).
    """
    borders, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    centres = np.concatenate(borders)[:, 0].astype(np.int32)
    halves = (2 * centres[:, None] + EDGES).reshape(-1, 2)
    hull: Points = cv2.convexHull(halves)[:, 0].astype(np.float64) / 2
    most, most_degree = _longest(hull)
    sides = np.roll(hull, -1, axis=0) - hull
    across = np.stack([-sides[:, 1], sides[:, 0]], axis=1) / np.hypot(*sides.T)[:, None]
    widths = np.ptp(hull @ across.T, axis=0)
    narrow = int(widths.argmin())
    return Feret(most, most_degree, float(widths[narrow]), _degree(*across[narrow]))


def _longest(hull: Points) -> tuple[float, float]:
    """The largest distance of two corners of *hull*, and its direction."""
    apart = hull[:, None] - hull[None]
    lengths = np.hypot(apart[..., 0], apart[..., 1])
    at = np.unravel_index(int(lengths.argmax()), lengths.shape)
    return float(lengths[at]), _degree(*apart[at])


def _degree(x: float, y: float) -> float:
    """The direction of an axis, of which y points down, in (-90, 90]."""
    degree = math.degrees(math.atan2(-y, x)) % 180
    return degree - 180 if degree > 90 else degree
