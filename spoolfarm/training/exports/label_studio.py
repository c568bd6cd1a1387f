"""Label Studio: its JSON export and its short form JSON-MIN, lists of tasks with what was drawn on each picture."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from spoolfarm.errors import FarmError
from spoolfarm.training.exports.brush import unpack
from spoolfarm.training.exports.drawn import Drawn, ellipse, numbers, pairs, runs, side

#: What the names of uploaded files begin with.
UPLOADED = re.compile(r"^[0-9a-f]{8}-")
#: Suffixes of pictures in a task's data.
PICTURE = re.compile(r"\.(jpe?g|png|webp|bmp|tiff?|gif|avif|heic)$", re.IGNORECASE)


def is_label_studio(said: Any) -> bool:
    """Whether *said*, the content of a JSON file, is of this kind."""
    return isinstance(said, list) and bool(said) and all(isinstance(each, dict) and _link(each) for each in said)


def add(drawn: Drawn, tasks: list[dict[str, Any]]) -> None:
    """Add what was drawn on the picture of each task. Raises FarmError for what makes no sense."""
    for number, task in enumerate(tasks):
        place = f"task {task.get('id', number)}"
        results = list(_results(task))
        sizes = [(each.get("original_width"), each.get("original_height")) for each in results]
        picture = drawn.picture(place, _name(_link(task)), *next((size for size in sizes if all(size)), (None, None)))
        for index, each in enumerate(results):
            if labels := _labels(each["value"]):
                where = f"result {index} of {place}"
                outline, box = _outline(where, each)
                drawn.label(where, picture, labels[0], outline, box=box)


def _link(task: dict[str, Any]) -> str:
    """Where the picture of a task is said to lie."""
    data = task.get("data", task)
    texts = [each for each in data.values() if isinstance(each, str)] if isinstance(data, dict) else []
    return next((each for each in texts if PICTURE.search(_name(each))), "")


def _name(link: str) -> str:
    """The path of a picture in an address, without what an upload put before its name."""
    address = urlsplit(link)
    path = parse_qs(address.query).get("d", [unquote(address.path)])[0]
    folder, _, name = path.rpartition("/")
    return f"{folder}/{UPLOADED.sub('', name)}" if "upload" in folder.split("/") else path


def _results(task: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What was drawn, each with its `value`: of several annotations the last one that was not cancelled."""
    if isinstance(given := task.get("annotations", task.get("completions")), list):
        done = [each for each in given if isinstance(each, dict) and not each.get("was_cancelled")]
        found = done[-1].get("result", ()) if done else ()
    else:  # JSON-MIN has the values by the name of the tool they were drawn with
        lists = [each for each in task.values() if isinstance(each, list)]
        found = [{**each, "value": each} for several in lists for each in several if isinstance(each, dict)]
    yield from (each for each in found if isinstance(each, dict) and isinstance(each.get("value"), dict))


def _labels(value: dict[str, Any]) -> list[Any]:
    """The names of an object: what stands under `polygonlabels` and the like."""
    return next((each for key, each in value.items() if key.endswith("labels") and isinstance(each, list)), [])


def _outline(place: str, result: dict[str, Any]) -> tuple[Any, Any]:
    """What a result encloses, and the box that it is where it is one. Coordinates are percent of the picture."""
    value = result["value"]
    width, height = (side(place, result.get(name)) for name in ("original_width", "original_height"))
    if "rle" in value:
        try:
            return runs(unpack(value["rle"], height, width), 0, 0, height, width), None
        except (TypeError, ValueError) as error:
            raise FarmError(f"{place} has a brush that cannot be read: {error}") from error
    if "points" in value:
        corners = [numbers(place, *point) for point in pairs(place, value["points"])]
        return [[[x * width / 100, y * height / 100] for x, y in corners]], None
    if "radiusX" in value:
        x, y, across, down = numbers(place, *(value.get(name) for name in ("x", "y", "radiusX", "radiusY")))
        turn = numbers(place, value.get("rotation", 0))
        scale = width / 100, height / 100
        return ellipse(x * scale[0], y * scale[1], across * scale[0], down * scale[1], *turn), None
    if {"width", "height"} <= value.keys() and not value.get("rotation"):
        x, y, wide, high = numbers(place, *(value.get(name) for name in ("x", "y", "width", "height")))
        return None, [x * width / 100, y * height / 100, wide * width / 100, high * height / 100]
    return None, None
