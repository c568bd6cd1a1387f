"""Evaluation: average precision as COCO defines it, by pycocotools' COCOeval, of anything that finds masks."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from pycocotools import mask as rle
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from spoolfarm.tasks.segment.instance import OBJECT
from spoolfarm.tasks.segment.pasting import paste
from spoolfarm.tasks.segment.two_views import MirroringMaskRcnn
from spoolfarm.tasks.segment.vision import resize_boxes
from spoolfarm.training.samples import Sample
from spoolfarm.training.scenes.noise import Array

#: Detections of a picture that count: there are crowds of many hundreds.
MOST = 1000
#: Above this score a detection is counted as an object.
SURE = 0.5


@dataclass(frozen=True)
class Detection:
    """A mask, (height, width) uint8, with its score and its class from 1."""

    mask: Array
    score: float
    label: int = 1


#: What finds the objects of a picture, (height, width, 3) uint8 RGB.
Finder = Callable[[Array], Iterable[Detection]]


@dataclass(frozen=True)
class Precision:
    """Mask AP over the IoU thresholds .50 to .95, at two of them, by area (32² and 96² pixels), and recall.

    *exact* is the part of the pictures with as many detections above .5 as objects. -1 where there was nothing to find.
    """

    ap: float
    ap50: float
    ap75: float
    small: float
    medium: float
    large: float
    recall: float
    exact: float = -1.0

    def record(self) -> dict[str, float]:
        """The figures by name, to three places."""
        return {name: round(value, 3) for name, value in asdict(self).items()}


def finder(net: MirroringMaskRcnn) -> Finder:
    """What *net* finds, one at a time: a crowd's masks would not fit into the memory together."""
    net.roi_heads.detections_per_img = MOST

    def find(picture: Array) -> Iterator[Detection]:
        height, width = picture.shape[:2]
        pixels = torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1).float() / 255
        with torch.inference_mode():
            images, _ = net.transform([pixels])
            found = net.detect(images)[0]
            boxes = resize_boxes(found["boxes"], list(images.image_sizes[0]), [height, width])
            pasted = list(paste(found["masks"], boxes, height, width))
        for each, score, label in zip(pasted, found["scores"].tolist(), found["labels"].tolist(), strict=True):
            if each is not None:
                crop, left, top = each
                mask = np.zeros((height, width), np.uint8)
                mask[top : top + crop.shape[0], left : left + crop.shape[1]] = crop
                yield Detection(mask, score, label)

    return find


def precision(
    find: Finder, samples: Iterable[Sample], names: Mapping[int, str] | None = None, *, alike: bool = False
) -> Precision:
    """How well *find* does on *samples*, whose classes have *names*; when *alike*, whatever the classes."""
    pictures: list[dict[str, Any]] = []
    truth: list[dict[str, Any]] = []
    found: list[dict[str, Any]] = []
    exact = 0
    labels = [1] if alike else list(range(1, 1 + len(names or {1: OBJECT})))
    for number, sample in enumerate(samples, 1):
        height, width = sample.picture.shape[:2]
        pictures.append({"id": number, "height": height, "width": width})
        for mask, label in zip(sample.masks, sample.classes.tolist(), strict=True):
            truth.append({**_annotation(number, mask, 1 if alike else label), "iscrowd": 0})
        if sample.ignored is not None and sample.ignored.any():
            truth += ({**_annotation(number, sample.ignored, label), "iscrowd": 1} for label in labels)
        sure = 0
        for one in find(sample.picture):
            sure += one.score > SURE
            found.append({**_annotation(number, one.mask, 1 if alike else one.label), "score": one.score})
        exact += sure == len(sample.masks)
    for number, each in enumerate(truth, 1):
        each["id"] = number
    categories = [{"id": label, "name": str(label)} for label in labels]
    scored = _score({"images": pictures, "annotations": truth, "categories": categories}, found)
    return replace(scored, exact=exact / len(pictures)) if pictures else scored


def mean(several: Sequence[Precision]) -> Precision:
    """The mean of each figure over those that have it; -1 where none has."""
    known = {name: [value for one in several if (value := getattr(one, name)) >= 0] for name in asdict(several[0])}
    return Precision(**{name: sum(values) / len(values) if values else -1.0 for name, values in known.items()})


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
        scored.params.maxDets = [MOST]
        scored.evaluate()
        scored.accumulate()
    by_threshold = scored.eval["precision"][..., 0]  # (thresholds, recalls, categories, areas)
    reached = scored.eval["recall"][..., 0]
    return Precision(
        ap=_known(by_threshold[..., 0]),
        ap50=_known(by_threshold[0, ..., 0]),
        ap75=_known(by_threshold[5, ..., 0]),
        small=_known(by_threshold[..., 1]),
        medium=_known(by_threshold[..., 2]),
        large=_known(by_threshold[..., 3]),
        recall=_known(reached[..., 0]),
    )


def _known(figures: Array) -> float:
    """The mean of the figures that there are; -1 where there are none."""
    there = figures[figures > -1]
    return float(there.mean()) if there.size else -1.0
