"""Areas: polygons of a picture that a caller names, as parameters of tasks, and what lies in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

Coordinate = Annotated[float, Field(ge=-1e6, le=1e6)]
Point = Annotated[list[Coordinate], Field(min_length=2, max_length=2)]
Polygon = Annotated[list[Point], Field(min_length=3, max_length=100)]
Polygons = Annotated[list[Polygon], Field(max_length=100)]


def within(x: float, y: float, polygon: Sequence[Sequence[float]]) -> bool:
    """Whether the point lies in *polygon*, corners [x, y], or on its edge."""
    import cv2
    import numpy as np

    return cv2.pointPolygonTest(np.array(polygon, np.float32), (x, y), False) >= 0


def place(
    x: float, y: float, regions: Sequence[Sequence[Sequence[float]]], ignore: Sequence[Sequence[Sequence[float]]]
) -> int | None:
    """The number of the first of *regions* in which the point lies, 0 where there are none at all.

    None when it lies in no region, or in one of *ignore*.
    """
    if any(within(x, y, each) for each in ignore):
        return None
    return next((number for number, each in enumerate(regions) if within(x, y, each)), None) if regions else 0
