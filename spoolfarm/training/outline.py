"""Outlines: where an object is, as polygons or run lengths in COCO's ways to write them, and its mask."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Any

import numpy as np
from pycocotools import mask as coco

from spoolfarm.errors import FarmError
from spoolfarm.tasks.segment import rle
from spoolfarm.training.scenes.noise import Array

#: Corners that a polygon has at least.
CORNERS = 3
#: How far a polygon may reach out of its picture, in parts of its side; it is cut there.
OUT = 0.05
#: The greatest number that every tool writes and reads exactly.
GREATEST = 2**53


@dataclass(frozen=True)
class Polygons:
    """An object as one polygon or several, each (corners, 2): x and y in pixels."""

    parts: tuple[Array, ...]

    def fit(self, height: int, width: int) -> None:
        """Raise FarmError when they reach far out of a picture of that size."""
        corners = np.concatenate(self.parts)
        for name, across, size, values in (("wide", "x", width, corners[:, 0]), ("high", "y", height, corners[:, 1])):
            least, most = float(values.min()), float(values.max())
            if least < -OUT * size or most > (1 + OUT) * size:
                far = least if least < -OUT * size else most
                raise FarmError(f"its polygon reaches to {across} = {far:g}, and the picture is {size} pixels {name}")

    def mask(self, height: int, width: int) -> Array:
        """The pixels inside, (height, width) uint8, as pycocotools fills them. Raises FarmError as `fit` does."""
        mask: Array = coco.decode(self._filled(height, width))
        return mask

    def area(self, height: int, width: int) -> int:
        """How many pixels `mask` has. Raises FarmError as `fit` does."""
        return int(coco.area(self._filled(height, width)))

    def _filled(self, height: int, width: int) -> Any:
        self.fit(height, width)
        return coco.merge(coco.frPyObjects([part.ravel().tolist() for part in self.parts], height, width))


@dataclass(frozen=True)
class Runs:
    """An object as lengths of runs of zeros and ones in turn, column by column, in a picture of that size."""

    lengths: Array
    height: int
    width: int

    def fit(self, height: int, width: int) -> None:
        """Raise FarmError when they are those of a picture of another size."""
        if (self.height, self.width) != (height, width):
            said = f"its run lengths are those of a picture of {self.width}x{self.height} pixels"
            raise FarmError(f"{said}, and the picture has {width}x{height}")

    def mask(self, height: int, width: int) -> Array:
        """The pixels of the object, (height, width) uint8. Raises FarmError as `fit` does."""
        self.fit(height, width)
        kinds = np.arange(len(self.lengths), dtype=np.uint8) % 2
        return np.ascontiguousarray(np.repeat(kinds, self.lengths).reshape(width, height).T)

    def area(self, height: int, width: int) -> int:
        """How many pixels `mask` has. Raises FarmError as `fit` does."""
        self.fit(height, width)
        return int(self.lengths[1::2].sum())


Outline = Polygons | Runs


def outline(segmentation: Any) -> Outline | None:
    """What *segmentation*, of COCO's format, says; None when it encloses nothing. Raises FarmError for nonsense."""
    if segmentation is None or segmentation in ([], {}, ""):
        return None
    if isinstance(segmentation, dict):
        return _runs(segmentation)
    if isinstance(segmentation, list):
        return _polygons(segmentation)
    raise FarmError(f"its segmentation is {_short(segmentation)}, neither polygons nor run lengths")


def _polygons(segmentation: list[Any]) -> Polygons | None:
    """From lists of x, y, x, y, or of pairs, of one polygon or several."""
    one = all(not isinstance(each, list) or len(each) == 2 for each in segmentation)
    parts = [_corners(each) for each in ([segmentation] if one else segmentation)]
    whole = tuple(part for part in parts if len(part) >= CORNERS)
    return Polygons(whole) if whole else None


def _corners(polygon: Any) -> Array:
    if not isinstance(polygon, list):
        raise FarmError(f"its segmentation has {_short(polygon)} where a polygon should be")
    numbers = [value for each in polygon for value in (each if isinstance(each, list) else [each])]
    for value in numbers:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not -GREATEST < value < GREATEST:
            raise FarmError(f"its polygon has {_short(value)} where a number should be")
    if len(numbers) % 2:
        raise FarmError(f"its polygon has {len(numbers)} numbers, which are no pairs of x and y")
    return np.array(numbers, float).reshape(-1, 2)


def _runs(segmentation: dict[str, Any]) -> Runs:
    size, counts = segmentation.get("size"), segmentation.get("counts")
    if not isinstance(size, list) or len(size) != 2 or not all(_is_length(each) for each in size):
        raise FarmError(f"its run lengths have the size {_short(size)}, not [height, width]")
    height, width = map(int, size)
    for lengths in _readings(counts):
        if (lengths >= 0).all() and sum(lengths.tolist()) == height * width:
            return Runs(lengths, height, width)
    raise FarmError(f"its run lengths do not add up to the {height * width} pixels of their size")


def _readings(counts: Any) -> list[Array]:
    """The lengths that *counts* may mean: a list, COCO's text, or base64 of that as `segment` answers it."""
    if isinstance(counts, list) and all(_is_length(each) for each in counts):
        return [np.array(counts, np.int64)]
    if not isinstance(counts, str):
        raise FarmError(f"its run lengths are {_short(counts)}, neither a list of numbers nor a text")
    found = []
    for decoded in (str.encode, base64.b64decode):
        try:
            found.append(rle.expand(decoded(counts)))
        except (ValueError, binascii.Error):
            continue
    return found


def _is_length(value: Any) -> bool:
    """Whether *value* is a whole number from 0; some tools write 3.0."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return 0 <= value < GREATEST and value == int(value)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:36]} ..."
