"""A folder of labelled pictures in COCO's format: the pictures, and one JSON file that says what is on them."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from pycocotools.coco import COCO

from spoolfarm import images
from spoolfarm.errors import BrokenImage, FarmError
from spoolfarm.training.samples import Sample
from spoolfarm.training.scenes.noise import Array

#: One picture in this many is kept for the evaluation.
KEPT = 5
#: Pixels an object must show to be learned.
LEAST = 16
#: How much smaller or larger than it fits a picture is shown, and how much darker or brighter.
ZOOM, CONTRAST = (0.6, 1.3), (0.75, 1.25)


class Labelled:
    """The pictures of a folder, without the kept ones; a sample is one of them, turned over, zoomed and re-lit.

    Raises FarmError when the folder has no pictures with labels, or a file that is not what it seems.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._labels = _labels(folder)
        self.names = {each["id"]: str(each["name"]) for each in self._labels.loadCats(self._labels.getCatIds())}
        self._classes = {category: number for number, category in enumerate(self.names, 1)}
        ids = sorted(self._labels.getImgIds())
        if not ids or not self.names:
            raise FarmError(f"the labels in {folder} name no pictures or no categories")
        self.kept = ids[::KEPT] if len(ids) >= KEPT else ids
        self.learned = [each for each in ids if each not in set(self.kept)] or ids

    def sample(self, seed: int, number: int, height: int, width: int) -> Sample:
        """Sample *number* of *seed*."""
        rng = np.random.default_rng((seed, number))
        sample = self.read(self.learned[int(rng.integers(len(self.learned)))])
        return _lit(rng, _fitted(rng, sample, height, width))

    def held_out(self, count: int, stream: int = 0) -> Iterator[Sample]:
        """The kept pictures as they are, *count* at most."""
        return (self.read(each) for each in self.kept[:count])

    def read(self, number: int) -> Sample:
        """The picture with that id. Raises FarmError when it is not there or broken."""
        name = self._labels.imgs[number]["file_name"]
        picture = _picture(self._folder, name)
        labels = [each for each in self._labels.imgToAnns[number] if not each.get("iscrowd")]
        masks = [self._mask(each, picture, name) for each in labels]
        classes = np.array([self._classes[each["category_id"]] for each in labels], np.int64)
        return _only_seen(
            Sample(picture, np.stack(masks) if masks else np.zeros((0, *picture.shape[:2]), np.uint8), classes)
        )

    def _mask(self, label: dict[str, Any], picture: Array, name: str) -> Array:
        try:
            mask: Array = self._labels.annToMask(label)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise FarmError(f"label {label.get('id')} of {name} has no usable segmentation: {error!r}") from error
        if mask.shape != picture.shape[:2]:
            raise FarmError(f"the labels say {name} has {mask.shape} pixels, but it has {picture.shape[:2]}")
        return mask


def _labels(folder: Path) -> COCO:
    found = sorted([*folder.glob("*.json"), *folder.glob("annotations/*.json")])
    if len(found) != 1:
        hint = "put one COCO file, such as annotations.json, beside the pictures"
        raise FarmError(f"{folder} has {len(found)} JSON files of labels where one is needed", hint=hint)
    try:
        content = json.loads(found[0].read_bytes())
    except ValueError as error:
        raise FarmError(f"{found[0]} is no JSON: {error}") from error
    parts = ("images", "annotations", "categories")
    if not isinstance(content, dict) or not all(isinstance(content.get(part), list) for part in parts):
        raise FarmError(f"{found[0]} is no COCO file: it needs the lists {', '.join(parts)}")
    labels = COCO()
    labels.dataset = content
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            labels.createIndex()
        for each in content["images"]:
            each["file_name"], each["height"], each["width"]
        unknown = {each["category_id"] for each in content["annotations"]} - {
            each["id"] for each in content["categories"]
        }
    except (KeyError, TypeError) as error:
        raise FarmError(f"{found[0]} is no COCO file: an entry lacks {error}") from error
    if unknown:
        raise FarmError(f"{found[0]} has labels of category {min(unknown)}, which it does not name")
    return labels


def _picture(folder: Path, name: str) -> Array:
    for place in (folder / name, folder / "images" / name):
        try:
            picture: Array = images.decode(place.read_bytes())[..., ::-1]
            return picture
        except FileNotFoundError:
            continue
        except BrokenImage as error:
            raise FarmError(f"{place}: {error}") from error
    raise FarmError(f"{name}, which the labels name, is neither in {folder} nor in its folder images")


def _fitted(rng: np.random.Generator, sample: Sample, height: int, width: int) -> Sample:
    """The sample on a canvas of that size: zoomed, shifted, and turned over half the time."""
    high, wide = sample.picture.shape[:2]
    scale = min(height / high, width / wide) * rng.uniform(*ZOOM)
    matrix = np.array([[scale, 0, 0], [0, scale, 0]])
    if rng.random() < 0.5:
        matrix[0, 0], matrix[0, 2] = -scale, scale * (wide - 1)
    for axis, (room, taken) in enumerate(((width, wide * scale), (height, high * scale))):
        matrix[axis, 2] += rng.uniform(min(0, room - taken), max(0, room - taken))
    grey = sample.picture.mean(axis=(0, 1)).tolist()
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    picture = cv2.warpAffine(sample.picture, matrix, (width, height), flags=how, borderValue=grey)
    masks = [cv2.warpAffine(mask, matrix, (width, height), flags=cv2.INTER_NEAREST) for mask in sample.masks]
    return _only_seen(
        Sample(picture, np.stack(masks) if masks else np.zeros((0, height, width), np.uint8), sample.classes)
    )


def _lit(rng: np.random.Generator, sample: Sample) -> Sample:
    lit = sample.picture * rng.uniform(*CONTRAST) + rng.normal(0, 12)
    return replace(sample, picture=np.clip(lit, 0, 255).astype(np.uint8))


def _only_seen(sample: Sample) -> Sample:
    """Without the objects of which next to nothing is in the picture."""
    seen = np.count_nonzero(sample.masks, axis=(1, 2)) >= LEAST
    return replace(sample, masks=sample.masks[seen], classes=sample.classes[seen])
