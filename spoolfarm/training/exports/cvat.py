"""CVAT's own format: "CVAT for images 1.1", one XML file."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from spoolfarm.errors import FarmError
from spoolfarm.training.exports.drawn import Drawn, ellipse, numbers, runs, side


def read(drawn: Drawn, path: Path) -> None:
    """Add what the file at *path* says. Raises FarmError when it is not of this kind or makes no sense."""
    try:
        root = ElementTree.parse(path).getroot()
    except ElementTree.ParseError as error:
        raise FarmError(f"{path} is no XML: {error}") from error
    if root.tag != "annotations" or root.find("track") is not None:
        hint = "export the task from CVAT as 'CVAT for images 1.1' or as 'COCO 1.0'"
        raise FarmError(f"{path} holds no labels of pictures as CVAT writes them", hint=hint)
    for name in root.iterfind("meta//label/name"):
        if name.text:
            drawn.name(name.text.strip())
    for image in root.iterfind("image"):
        place = f"image {image.get('id')}"
        size = image.get("width"), image.get("height")
        picture = drawn.picture(place, image.get("name"), *size)
        for number, shape in enumerate(image):
            if shape.tag != "tag":
                _add(drawn, picture, shape, f"{shape.tag} {number + 1} of {place}", size)


def _add(drawn: Drawn, picture: int, shape: ElementTree.Element, place: str, size: tuple[Any, Any]) -> None:
    outline: Any = None
    box = None
    group = shape.get("group_id", "0")
    if shape.tag == "polygon":
        points = [point.split(",") for point in shape.get("points", "").split(";") if point]
        outline = [[numbers(place, *point) for point in points]]
    elif shape.tag == "ellipse":
        x, y, across, down = numbers(place, *(shape.get(name) for name in ("cx", "cy", "rx", "ry")))
        outline = ellipse(x, y, across, down, *numbers(place, shape.get("rotation", "0")))
    elif shape.tag == "mask":
        outline = _runs(shape, place, size)
    elif shape.tag == "box" and shape.get("rotation", "0") in ("0", "0.0", "0.00"):
        x0, y0, x1, y1 = numbers(place, *(shape.get(name) for name in ("xtl", "ytl", "xbr", "ybr")))
        box = [x0, y0, x1 - x0, y1 - y0]
    drawn.label(place, picture, shape.get("label"), outline, box=box, group=group if group != "0" else None)


def _runs(shape: ElementTree.Element, place: str, size: tuple[Any, Any]) -> dict[str, Any] | None:
    """A mask: lengths of runs of zeros and ones in turn, row by row of its window."""
    wide, high = (side(place, shape.get(name)) for name in ("width", "height"))
    left, top = (round(value) for value in numbers(place, shape.get("left"), shape.get("top")))
    lengths = [round(value) for value in numbers(place, *shape.get("rle", "").split(","))]
    if min(lengths) < 0 or sum(lengths) != wide * high:
        raise FarmError(f"{place} has run lengths of {sum(lengths)} pixels in a window of {wide}x{high}")
    mask = np.repeat(np.arange(len(lengths), dtype=np.uint8) % 2, lengths).reshape(high, wide)
    width, height = (side(place, each) for each in size)
    return runs(np.ascontiguousarray(mask), left, top, height, width)
