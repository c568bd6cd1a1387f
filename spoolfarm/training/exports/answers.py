"""The farm's own answers of `segment`, corrected by hand: masks taken out, labels changed, outlines drawn or moved."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from spoolfarm.errors import FarmError
from spoolfarm.tasks.segment.instance import OBJECT, Pixels, crop
from spoolfarm.tasks.segment.polygons import polygons
from spoolfarm.training.exports.drawn import Drawn, numbers, runs, side
from spoolfarm.training.outline import outline

#: What marks the folder of a batch's results; it says where the pictures are.
MARK = ".spoolfarm-batch"
#: Suffixes by which the name of a picture is known.
PICTURES = frozenset([".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".avif", ".heic", ".heif"])


def is_answer(said: Any) -> bool:
    """Whether *said*, the content of a JSON file, is an answer of `segment` or the record of one."""
    return isinstance(answer(said), dict)


def answer(said: Any) -> Any:
    """The answer in *said*: itself, or in the record of a job; None when there is none, as in that of a failed one."""
    if isinstance(said, dict) and isinstance(said.get("result"), dict):
        said = said["result"]
    return said if isinstance(said, dict) and isinstance(said.get("masks"), list) and "image" in said else None


def pictures(folder: Path) -> Path:
    """Where the pictures of the answers in *folder* are: there, or where a batch found them."""
    try:
        base = json.loads((folder / MARK).read_bytes())["base"]
    except (OSError, ValueError, KeyError, TypeError):
        return folder
    return Path(base)


def picture_name(file: Path, said: dict[str, Any], folder: Path) -> str:
    """The picture that the answer in *file* is of: a file's name with `.json` behind it, or with that in its place."""
    name = file.relative_to(folder).with_suffix("")
    if name.suffix.lower() in PICTURES:
        return name.as_posix()
    if isinstance(known := said.get("name"), str) and Path(known).suffix.lower() in PICTURES:
        return known
    alike = sorted(each.name for each in file.parent.iterdir() if _is_of(each, file))
    return (name.parent / alike[0]).as_posix() if alike else name.as_posix()


def _is_of(picture: Path, file: Path) -> bool:
    return picture.stem == file.stem and picture.suffix.lower() in PICTURES


def add(drawn: Drawn, said: Any, file: str, name: str) -> None:
    """Add the objects that the answer in *file* has of the picture *name*. Raises FarmError for what makes no sense."""
    found = answer(said)
    size = found["image"] if isinstance(found["image"], dict) else {}
    width, height = (side(file, size.get(key)) for key in ("width", "height"))
    picture = drawn.picture(file, name, width, height)
    for number, mask in enumerate(found["masks"]):
        place = f"masks[{number}] of {file}"
        if not isinstance(mask, dict):
            raise FarmError(f"{place} is no mask")
        drawn.label(place, picture, mask.get("label", OBJECT), _outline(place, mask, height, width))


def _outline(place: str, mask: dict[str, Any], height: int, width: int) -> Any:
    """The run lengths of a mask, or what its polygons enclose where somebody has changed those."""
    told, lengths = mask.get("polygon"), mask.get("mask_rle")
    if not told:
        return lengths
    inside = _filled(place, told, height, width)
    if isinstance(lengths, dict) and _traced(lengths, height, width) == told:
        return lengths  # nobody has, and it knows of holes
    return runs(inside, 0, 0, height, width)


def _traced(lengths: dict[str, Any], height: int, width: int) -> Any:
    """The polygons that `segment` tells of a mask; None when its run lengths are those of no such picture."""
    try:
        found = outline(lengths)
        instance = crop(found.mask(height, width), 1.0, 1) if found is not None else None
    except FarmError:
        return None
    return polygons(instance) if instance is not None else []


def _filled(place: str, told: Any, height: int, width: int) -> Pixels:
    """The mask of polygons through the centres of border pixels, as `segment` tells them."""
    if not isinstance(told, list) or not all(isinstance(each, list) for each in told):
        raise FarmError(f"{place} has a polygon that is no list of [x, y, x, y, ...]")
    mask = np.zeros((height, width), np.uint8)
    for each in told:
        values = numbers(place, *each)
        if len(values) % 2 or len(values) < 6:
            raise FarmError(f"{place} has a polygon of {len(values)} numbers, not three pairs of x and y at least")
        if min(values) < -1 or max(values[::2]) > width + 1 or max(values[1::2]) > height + 1:
            raise FarmError(f"{place} has a polygon outside of its picture of {width}x{height} pixels")
        cv2.fillPoly(mask, [np.rint(np.array(values)).astype(np.int32).reshape(-1, 2)], (1,))
    return mask
