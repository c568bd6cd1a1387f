"""VIA, the VGG Image Annotator: its projects, and its exports as JSON and as CSV."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import Any

from spoolfarm.errors import FarmError
from spoolfarm.tasks.segment.instance import OBJECT
from spoolfarm.training.exports.drawn import Drawn, ellipse, numbers

#: Where a project has its pictures.
METADATA = "_via_img_metadata"
#: What the attribute may be called that says what a region is.
KINDS = ("label", "name", "class", "type", "category", "object")
#: The columns of the CSV file that are read.
COLUMNS = ("filename", "region_shape_attributes", "region_attributes")


def is_via(said: Any) -> bool:
    """Whether *said*, the content of a JSON file, is of this kind."""
    found = said.get(METADATA, said) if isinstance(said, dict) else None
    return isinstance(found, dict) and bool(found) and all(_is_picture(each) for each in found.values())


def _is_picture(said: Any) -> bool:
    return isinstance(said, dict) and "filename" in said and isinstance(said.get("regions"), (list, dict))


def add(drawn: Drawn, said: dict[str, Any]) -> None:
    """Add the pictures and regions of a project or a JSON export. Raises FarmError for what makes no sense."""
    for each in said.get(METADATA, said).values():
        regions = each["regions"]  # version 1 has them by number
        place = str(each["filename"])
        picture = drawn.picture(place, each["filename"])
        for number, region in enumerate(regions.values() if isinstance(regions, dict) else regions):
            where = f"region {number} of {place}"
            if not isinstance(region, dict):
                raise FarmError(f"{where} is no region")
            _add(drawn, picture, where, region.get("shape_attributes"), region.get("region_attributes"))


def read_csv(drawn: Drawn, path: Path) -> None:
    """Add what the CSV export at *path* says. Raises FarmError when it is none, or makes no sense."""
    with path.open(encoding="utf-8-sig", newline="", errors="replace") as file:
        rows = [{str(key).lstrip("#").strip(): value for key, value in row.items()} for row in csv.DictReader(file)]
    if not rows or any(name not in rows[0] for name in COLUMNS):
        raise FarmError(f"{path} is no export of VIA: it needs the columns {', '.join(COLUMNS)}")
    pictures: dict[str, int] = {}
    for line, row in enumerate(rows, start=2):
        name, place = row["filename"], f"line {line}"
        if name not in pictures:
            pictures[name] = drawn.picture(place, name)
        shape, attributes = (_json(place, row[column]) for column in COLUMNS[1:])
        if shape:
            _add(drawn, pictures[name], place, shape, attributes)


def _json(place: str, text: str | None) -> Any:
    try:
        return json.loads(text or "{}")
    except ValueError as error:
        raise FarmError(f"{place} has attributes that are no JSON: {error}") from error


def _add(drawn: Drawn, picture: int, place: str, shape: Any, attributes: Any) -> None:
    if not isinstance(shape, dict):
        raise FarmError(f"{place} has no shape_attributes")
    outline, box = _outline(place, shape)
    drawn.label(place, picture, _kind(attributes), outline, box=box)


def _outline(place: str, shape: dict[str, Any]) -> tuple[Any, Any]:
    """What a region encloses, and the box that it is where it is one."""
    kind = shape.get("name")
    if kind == "polygon":
        xs, ys = (shape.get(f"all_points_{axis}") for axis in "xy")
        if not isinstance(xs, list) or not isinstance(ys, list) or len(xs) != len(ys):
            raise FarmError(f"{place} has a polygon without as many x as y")
        return [[numbers(place, *pair) for pair in zip(xs, ys, strict=True)]], None
    if kind == "circle":
        x, y, radius = numbers(place, *(shape.get(name) for name in ("cx", "cy", "r")))
        return ellipse(x, y, radius, radius), None
    if kind == "ellipse":
        x, y, across, down = numbers(place, *(shape.get(name) for name in ("cx", "cy", "rx", "ry")))
        [theta] = numbers(place, shape.get("theta", 0))
        return ellipse(x, y, across, down, math.degrees(theta)), None
    if kind == "rect":
        return None, numbers(place, *(shape.get(name) for name in ("x", "y", "width", "height")))
    return None, None  # a point or a line


def _kind(attributes: Any) -> Any:
    """What a region is: the first of KINDS that it has, or its first attribute; an object where nobody named any."""
    if not isinstance(attributes, dict) or not attributes:
        return OBJECT
    known = {str(key).lower(): value for key, value in attributes.items()}
    value = known[next((name for name in KINDS if name in known), next(iter(known)))]
    if isinstance(value, dict):  # boxes that are ticked
        value = next((name for name, ticked in value.items() if ticked), None)
    return value
