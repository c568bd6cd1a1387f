"""LabelMe: a JSON file beside each picture, with its shapes."""

from __future__ import annotations

import base64
import binascii
import math
from typing import Any

import cv2
import numpy as np

from spoolfarm.errors import FarmError
from spoolfarm.training.exports.drawn import Drawn, ellipse, numbers, pairs, runs, side

#: Shapes that enclose nothing.
OPEN = ("line", "linestrip", "point", "points", "keypoints")
#: Shapes whose points are all their corners; the last two are boxes that are turned.
CLOSED = ("polygon", "rotation", "oriented_rectangle")


def is_labelme(said: Any) -> bool:
    """Whether *said*, the content of a JSON file, is of this kind."""
    return isinstance(said, dict) and isinstance(said.get("shapes"), list) and "imagePath" in said


def add(drawn: Drawn, said: dict[str, Any], file: str) -> None:
    """Add the picture and the shapes of one *file*. Raises FarmError for a shape that makes no sense."""
    picture = drawn.picture(file, said["imagePath"], said.get("imageWidth"), said.get("imageHeight"))
    for number, shape in enumerate(said["shapes"]):
        place = f"shapes[{number}] of {file}"
        if not isinstance(shape, dict):
            raise FarmError(f"{place} is no shape")
        outline, box = _outline(place, shape, said)
        drawn.label(place, picture, shape.get("label"), outline, box=box, group=shape.get("group_id"))


def _outline(place: str, shape: dict[str, Any], said: dict[str, Any]) -> tuple[Any, Any]:
    """What a shape encloses, and the box that it is where it is one."""
    kind, points = shape.get("shape_type") or "polygon", pairs(place, shape.get("points"))
    if kind in CLOSED:
        return [points], None
    if kind in OPEN:
        return None, None
    corners = [numbers(place, *point) for point in points]
    if len(corners) < 2:
        raise FarmError(f"{place} is a {kind} of {len(corners)} points")
    (x0, y0), (x1, y1) = corners[:2]
    if kind == "circle":
        radius = math.dist(corners[0], corners[1])
        return ellipse(x0, y0, radius, radius), None
    if kind == "rectangle":  # two corners, or with some programs all four
        left, top = (min(each) for each in zip(*corners, strict=True))
        right, bottom = (max(each) for each in zip(*corners, strict=True))
        return None, [left, top, right - left, bottom - top]
    if kind == "mask":
        size = (side(place, said.get(name)) for name in ("imageHeight", "imageWidth"))
        return runs(_mask(place, shape.get("mask")), round(min(x0, x1)), round(min(y0, y1)), *size), None
    raise FarmError(f"{place} is a {kind!r}, which is not known")


def _mask(place: str, text: Any) -> Any:
    """The mask that a shape holds as the base64 of a picture."""
    try:
        data = np.frombuffer(base64.b64decode(text), np.uint8)
        found = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if len(data) else None
    except (TypeError, ValueError, binascii.Error, cv2.error):
        found = None
    if found is None:
        raise FarmError(f"{place} has a mask that is no picture in base64")
    return (found.reshape(*found.shape[:2], -1)[..., 0] > 0).astype(np.uint8)
