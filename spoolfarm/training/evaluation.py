"""Evaluation: average precision as COCO defines it, by pycocotools' COCOeval, of anything that finds masks."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from pycocotools import mask as rle
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from torchvision.models.detection import MaskRCNN

from spoolfarm.tasks.segment.instance import OBJECT
from spoolfarm.tasks.segment.pasting import INSIDE
from spoolfarm.training.samples import Sample
from spoolfarm.training.scenes.noise import Array


@dataclass(frozen=True)
class Detection:
    """A mask, (height, width) uint8, with its score and its class from 1."""

    mask: Array
    score: float
    label: int = 1


#: What finds the objects of a picture, (height, width, 3) uint8 RGB.
Finder = Callable[[Array], list[Detection]]


@dataclass(frozen=True)
class Precision:
    """Mask AP over the IoU thresholds .50 to .95, at two of them, by area (32² and 96² pixels), and recall.

    -1 where there was nothing to find.
    """

    ap: float
    ap50: float
    ap75: float
    small: float
    medium: float
    large: float
    recall: float

    def record(self) -> dict[str, float]:
        """The figures by name, to three places."""
        return {name: round(value, 3) for name, value in asdict(self).items()}


def finder(net: MaskRCNN) -> Finder:
    """What *net* finds."""

    def find(picture: Array) -> list[Detection]:
        pixels = torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1).float() / 255
        with torch.inference_mode():
            found = net([pixels])[0]
        masks = (found["masks"][:, 0] > INSIDE).numpy().astype(np.uint8)
        return [
            Detection(mask, score, label)
            for mask, score, label in zip(masks, found["scores"].tolist(), found["labels"].tolist(), strict=True)
        ]

    return find


def precision(find: Finder, samples: Iterable[Sample], names: Mapping[int, str] | None = None) -> Precision:
    """How well *find* does on *samples*, whose classes have *names*."""
    pictures: list[dict[str, Any]] = []
    truth: list[dict[str, Any]] = []
    found: list[dict[str, Any]] = []
    for number, sample in enumerate(samples, 1):
        height, width = sample.picture.shape[:2]
        pictures.append({"id": number, "height": height, "width": width})
        for mask, label in zip(sample.masks, sample.classes.tolist(), strict=True):
            truth.append({**_annotation(number, mask, label), "id": len(truth) + 1, "iscrowd": 0})
        found += ({**_annotation(number, one.mask, one.label), "score": one.score} for one in find(sample.picture))
    categories = [{"id": label, "name": name} for label, name in enumerate((names or {1: OBJECT}).values(), 1)]
    return _score({"images": pictures, "annotations": truth, "categories": categories}, found)


def _annotation(picture: int, mask: Array, label: int) -> dict[str, Any]:
    counts = rle.encode(np.asfortranarray(mask))
    box, area = rle.toBbox(counts).tolist(), int(rle.area(counts))
    return {"image_id": picture, "category_id": label, "segmentation": counts, "bbox": box, "area": area}


def _score(truth: dict[str, Any], found: list[dict[str, Any]]) -> Precision:
    if not found:
        return Precision(0, 0, 0, 0, 0, 0, 0)
    with contextlib.redirect_stdout(io.StringIO()):
        known = COCO()
        known.dataset = {"info": {}, **truth}
        known.createIndex()
        scored = COCOeval(known, known.loadRes(found), "segm")
        scored.evaluate()
        scored.accumulate()
        scored.summarize()
    ap, ap50, ap75, small, medium, large, _, _, recall = (float(value) for value in scored.stats[:9])
    return Precision(ap, ap50, ap75, small, medium, large, recall)
