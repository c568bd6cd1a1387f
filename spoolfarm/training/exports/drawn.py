"""Drawn labels: those of one export, collected picture by picture until they are a COCO data set."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from spoolfarm.errors import FarmError
from spoolfarm.tasks.segment import rle
from spoolfarm.tasks.segment.instance import Pixels

#: Corners of the polygon that stands for a circle or an ellipse.
ROUND = 72
#: The greatest number that every tool writes and reads exactly.
GREATEST = 2**53

Corners = list[list[float]]


class Placed(dict[str, Any]):
    """An entry of COCO's format that stands at *place* of another one."""

    def __init__(self, place: str, **said: Any) -> None:
        super().__init__(said)
        self.place = place


class Drawn:
    """The pictures and labels of an export, as they are found."""

    def __init__(self) -> None:
        self._pictures: list[Placed] = []
        self._labels: list[tuple[Placed, str]] = []
        self._grouped: dict[tuple[int, str, Any], Placed] = {}
        self._names: set[str] = set()

    def name(self, name: str) -> None:
        """There is a category of that name, whether or not a label is of it."""
        self._names.add(name)

    def picture(self, place: str, name: Any, width: Any = None, height: Any = None) -> int:
        """Add a picture that stands at *place*; return its number."""
        number = len(self._pictures) + 1
        self._pictures.append(Placed(place, id=number, file_name=name, width=width, height=height))
        return number

    def label(
        self, place: str, picture: int, name: Any, outline: Any = None, *, box: Any = None, group: Any = None
    ) -> None:
        """Add an object of that picture: polygons or run lengths, or a *box* [x, y, width, height] alone.

        Polygons of one name with the same *group* are parts of one object. Raises FarmError without a *name*.
        """
        if isinstance(name, bool) or not isinstance(name, (str, int, float)) or not str(name).strip():
            raise FarmError(f"{place} has no label, or none that is a text: {name!r}")
        kind = str(name).strip()
        self._names.add(kind)
        key = (picture, kind, group)
        if group is not None and isinstance(outline, list) and key in self._grouped:
            self._grouped[key]["segmentation"].extend(outline)
            return
        entry = Placed(place, image_id=picture, segmentation=outline, iscrowd=0)
        if box is not None:
            entry["bbox"] = box
        self._labels.append((entry, kind))
        if group is not None and isinstance(outline, list):
            self._grouped[key] = entry

    def content(self) -> dict[str, Any]:
        """All of it in COCO's format; the categories are in the order of the alphabet."""
        ids = {name: number for number, name in enumerate(sorted(self._names), start=1)}
        for entry, kind in self._labels:
            entry["category_id"] = ids[kind]
        return {
            "images": self._pictures,
            "categories": [{"id": number, "name": name} for name, number in ids.items()],
            "annotations": [entry for entry, _ in self._labels],
        }


def ellipse(x: float, y: float, across: float, down: float, degree: float = 0) -> list[Corners]:
    """The polygon of an ellipse around (x, y) with these half axes, turned clockwise as seen."""
    turn = math.radians(degree)
    corners = []
    for number in range(ROUND):
        angle = 2 * math.pi * number / ROUND
        a, b = across * math.cos(angle), down * math.sin(angle)
        corners.append([x + a * math.cos(turn) - b * math.sin(turn), y + a * math.sin(turn) + b * math.cos(turn)])
    return [corners]


def runs(mask: Pixels, left: int, top: int, height: int, width: int) -> dict[str, Any] | None:
    """The run lengths of a mask whose crop lies there in a picture of that size; None when nothing of it is inside."""
    x0, y0 = max(0, -left), max(0, -top)
    inside = mask[y0 : height - top, x0 : width - left] if left < width and top < height else mask[:0]
    if not inside.any():
        return None
    counts = rle.encode(inside, left + x0, top + y0, height, width)
    return {"size": [height, width], "counts": counts.decode()}


def numbers(place: str, *values: Any) -> list[float]:
    """*values*, each a number or a text that is one. Raises FarmError that names *place*."""
    found = []
    for value in values:
        try:
            number = math.nan if isinstance(value, bool) else float(value)
        except (TypeError, ValueError):
            number = math.nan
        if not -GREATEST < number < GREATEST:
            raise FarmError(f"{place} has {value!r} where a number should be")
        found.append(number)
    return found


def side(place: str, value: Any) -> int:
    """*value* as a number of pixels. Raises FarmError that names *place*."""
    [number] = numbers(place, value)
    if number < 1 or number != int(number):
        raise FarmError(f"{place} has {value!r} where a number of pixels should be")
    return int(number)


def pairs(place: str, points: Any) -> Sequence[Sequence[Any]]:
    """*points*, each of two values. Raises FarmError that names *place*."""
    if not isinstance(points, list) or not all(isinstance(each, list) and len(each) == 2 for each in points):
        raise FarmError(f"{place} has points that are no pairs of x and y")
    return points
