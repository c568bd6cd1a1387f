"""Folders of labelled pictures in COCO's format, what an engine finds in them, and how well that counts."""

from __future__ import annotations

import contextlib
import io
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import mean
from typing import Any

import cv2
import numpy as np
from pycocotools import mask as rle
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from spoolfarm.tasks.segment.instance import Engine, Pixels, Wanted
from spoolfarm.tasks.segment.rle import encode

#: The overlap at which an object counts as found.
NEAR = 0.5
#: The most objects of a picture that count for average precision: COCO's own 100 would cut crowds.
MOST = 1000

#: Scores from above one figure up to the next.
STEPS = tuple(pairwise((0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)))


@dataclass(frozen=True)
class Picture:
    """A labelled picture."""

    number: int
    path: Path
    #: COCO's run lengths of its objects, and of what is labelled as a crowd, which counts neither way.
    objects: list[dict[str, Any]]
    crowds: list[dict[str, Any]]

    def pixels(self) -> Pixels:
        """The picture (height, width, 3) in BGR. Raises OSError when it cannot be read."""
        found = cv2.imread(str(self.path))
        if found is None:
            raise OSError(f"{self.path} cannot be read as a picture")
        return found.astype(np.uint8, copy=False)


@dataclass(frozen=True)
class Sight:
    """What was found in a picture: run lengths and scores, and the CPU seconds that it took."""

    masks: list[dict[str, Any]]
    scores: list[float]
    seconds: float


@dataclass(frozen=True)
class Counted:
    """How well a folder's objects were found and counted."""

    pictures: int
    objects: int
    ap: float
    ap50: float
    recall: float
    precision: float
    #: The mean over pictures of the F1 at IoU .5.
    f1: float
    #: The part of the pictures whose number of objects is told exactly.
    exact: float
    #: The mean over pictures of how far the number told is from the number of objects, as a part of that.
    off: float
    cpu_ms: float


def folders(places: Iterable[Path]) -> dict[str, Path]:
    """The label file of each data set by its name: a folder holds one, or folders that each hold one."""
    found = {}
    for place in places:
        files = [place] if place.is_file() else sorted([*place.glob("*.json"), *place.glob("*/annotations.json")])
        found |= {file.parent.name: file for file in files}
    if not found:
        raise OSError("no COCO file lies in the given folders")
    return found


def pictures(file: Path, every: int, offset: int) -> list[Picture]:
    """Each *every*-th picture of a label file, from number *offset* on, in the order of their ids."""
    with contextlib.redirect_stdout(io.StringIO()):
        labels = COCO(str(file))
    found = []
    for image in sorted(labels.imgs.values(), key=lambda each: each["id"])[offset::every]:
        near = [file.parent / "images" / image["file_name"], file.parent / image["file_name"]]
        path = next((each for each in near if each.is_file()), near[0])
        known = labels.loadAnns(labels.getAnnIds(imgIds=[image["id"]]))
        masks = [(bool(each.get("iscrowd")), labels.annToRLE(each)) for each in known]
        objects, crowds = ([code for crowd, code in masks if crowd is wanted] for wanted in (False, True))
        found.append(Picture(len(found) + 1, path, objects, crowds))
    return found


def seen(engine: Engine, picture: Picture, want: Wanted) -> Sight:
    """What *engine* finds in a picture."""
    pixels = picture.pixels()
    begin = time.process_time()
    found = list(engine.find([pixels], [want])[0].instances)
    seconds = time.process_time() - begin
    size = pixels.shape[0], pixels.shape[1]
    masks = [{"size": [*size], "counts": encode(each.mask, each.left, each.top, *size)} for each in found]
    return Sight(masks, [each.score for each in found], seconds)


def matched(picture: Picture, sight: Sight) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """The scores of what was found, falling, and whether each is an object that no surer one is. Crowds are out."""
    order = np.argsort(-np.array(sight.scores), kind="stable")
    masks, scores = [sight.masks[number] for number in order], np.array(sight.scores)[order]
    if masks and picture.crowds:
        out = rle.iou(masks, picture.crowds, [1] * len(picture.crowds)).max(axis=1) < NEAR
        masks, scores = [mask for mask, stays in zip(masks, out, strict=True) if stays], scores[out]
    hits = np.zeros(len(masks), bool)
    if masks and picture.objects:
        over = np.array(rle.iou(masks, picture.objects, [0] * len(picture.objects)))
        free = np.ones(len(picture.objects), bool)
        for number, row in enumerate(over):
            best = int(np.where(free, row, -1).argmax())
            hits[number] = free[best] and row[best] >= NEAR
            free[best] &= not hits[number]
    return scores, hits


def counted(labelled: Sequence[Picture], sights: Sequence[Sight], sure: float) -> Counted:
    """The figures of a folder; what scores more than *sure* is counted."""
    rows = []
    for picture, sight in zip(labelled, sights, strict=True):
        scores, hits = matched(picture, sight)
        rows.append((len(picture.objects), int((scores > sure).sum()), int(hits[scores > sure].sum())))
    known, found, hit = (sum(column) for column in zip(*rows, strict=True))
    ap, ap50 = _precision(labelled, sights)
    return Counted(
        len(rows),
        known,
        ap,
        ap50,
        hit / max(1, known),
        hit / max(1, found),
        mean(f1(*row) for row in rows),
        mean(row[0] == row[1] for row in rows),
        mean(abs(row[0] - row[1]) / max(1, row[0]) for row in rows),
        1000 * mean(sight.seconds for sight in sights),
    )


def reliability(folder: Sequence[Picture], sights: Sequence[Sight]) -> list[tuple[int, float] | None]:
    """How many were found whose score lies in each of STEPS, and the part of them that are objects; None for none."""
    both = [matched(picture, sight) for picture, sight in zip(folder, sights, strict=True)]
    scores, hits = (np.concatenate(column) for column in zip(*both, strict=True))
    within = [(scores > low) & (scores <= high) for low, high in STEPS]
    return [(int(each.sum()), float(hits[each].mean())) if each.any() else None for each in within]


def f1(known: int, found: int, hit: int) -> float:
    """F1 of *hit* objects out of *known* and *found*; nothing found where there is nothing is right."""
    return 2 * hit / (known + found) if known + found else 1.0


def _precision(labelled: Sequence[Picture], sights: Sequence[Sight]) -> tuple[float, float]:
    """COCO's mask AP, mean over IoU .50 to .95, and at .50."""
    truth: list[dict[str, Any]] = []
    found: list[dict[str, Any]] = []
    for picture, sight in zip(labelled, sights, strict=True):
        for crowd, masks in enumerate((picture.objects, picture.crowds)):
            rows = [_row(picture, mask) for mask in masks]
            truth += [{**row, "id": len(truth) + number, "iscrowd": crowd} for number, row in enumerate(rows, 1)]
        found += ({**_row(picture, m), "score": s} for m, s in zip(sight.masks, sight.scores, strict=True))
    if not found:
        return 0.0, 0.0
    images = [{"id": picture.number, "height": 0, "width": 0} for picture in labelled]  # run lengths have sizes
    with contextlib.redirect_stdout(io.StringIO()):
        known = COCO()
        known.dataset = {"info": {}, "images": images, "annotations": truth, "categories": [{"id": 1}]}
        known.createIndex()
        scored = COCOeval(known, known.loadRes(found), "segm")
        scored.params.maxDets = [1, 10, MOST]
        scored.evaluate()
        scored.accumulate()
    precision = scored.eval["precision"][:, :, 0, 0, -1]
    return float(precision.mean()), float(precision[0].mean())


def _row(picture: Picture, mask: Mapping[str, Any]) -> dict[str, Any]:
    box, area = rle.toBbox(mask).tolist(), int(rle.area(mask))
    return {"image_id": picture.number, "category_id": 1, "segmentation": mask, "bbox": box, "area": area}


def write(path: Path, runs: Mapping[str, Sequence[Sight]]) -> None:
    """Keep what was found, so that other figures of it need no second run."""
    path.write_text(
        json.dumps(
            {
                name: [
                    {
                        "masks": [{**mask, "counts": mask["counts"].decode()} for mask in sight.masks],
                        "scores": sight.scores,
                        "seconds": sight.seconds,
                    }
                    for sight in sights
                ]
                for name, sights in runs.items()
            }
        )
    )


def read(path: Path) -> dict[str, list[Sight]]:
    """What `write` kept."""
    held = json.loads(path.read_text())
    return {
        name: [
            Sight([{**m, "counts": m["counts"].encode()} for m in each["masks"]], each["scores"], each["seconds"])
            for each in sights
        ]
        for name, sights in held.items()
    }
