"""The mirror: a Mask R-CNN that sees each picture as it is and, smaller, mirrored, and finds what both show."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from spoolfarm.tasks.segment.pasting import INSIDE
from spoolfarm.tasks.segment.soft_nms import decayed
from spoolfarm.tasks.segment.vision import GeneralizedRCNNTransform, ImageList, MaskRCNN, maskrcnn_inference

#: What is found in one picture, by name: boxes (N, 4), labels (N,), scores (N,) and masks (N, 1, M, M).
Detected = dict[str, Tensor]
#: What the sides of a view are multiples of: the backbone halves them five times.
MULTIPLE = 32


@dataclass(frozen=True)
class _View:
    """One look at the pictures: features, and how its frame differs from theirs."""

    images: ImageList
    features: dict[str, Tensor]
    #: Its pixels for each of the pictures', across and down.
    scale: Tensor
    mirrored: bool

    def of(self, boxes: Tensor) -> Tensor:
        """*boxes* (N, 4: x0, y0, x1, y1) of a picture, in the frame of this view."""
        return self._turned(boxes * self.scale)

    def back(self, boxes: Tensor) -> Tensor:
        """Boxes of this view in the frame of the picture."""
        return self._turned(boxes) / self.scale

    def _turned(self, boxes: Tensor) -> Tensor:
        if not self.mirrored:
            return boxes
        wide = self.images.tensors.shape[-1]
        x0, y0, x1, y1 = boxes.unbind(1)
        return torch.stack([wide - x1, y0, wide - x0, y1], 1)


class MirroringMaskRcnn(MaskRCNN):  # type: ignore[misc]  # torchvision has no types
    """Torchvision's, but for what it finds: what either view proposes both judge, and masks are their mean.

    A large object is seen whole in the smaller view, a small one well in the other. A vague mask counts for less: a
    score is multiplied by how sure its mask is inside, the "maskness" of SOLO (https://arxiv.org/abs/1912.04488,
    section 4); and so does one that lies over a surer one.
    """

    transform: GeneralizedRCNNTransform

    def __init__(self, *parts: Any, glance: float, **more: Any) -> None:
        super().__init__(*parts, **more)
        made = self.transform
        self.transform = _Filling(made.min_size, made.max_size, made.image_mean, made.image_std)
        #: The size of the mirrored view as a part of the other's.
        self.glance = glance

    def forward(self, images: list[Tensor], targets: list[Detected] | None = None) -> Any:
        """What torchvision's gives, the surest first."""
        if self.training:
            return super().forward(images, targets)
        sizes = [tuple(each.shape[-2:]) for each in images]
        seen, _ = self.transform(images)
        return self.transform.postprocess(self.detect(seen), seen.image_sizes, sizes)

    def detect(self, images: ImageList) -> list[Detected]:
        """What is found in each of the *images*, which are scaled already, in their frame."""
        views = [self._look(images), self._glance(images)]
        proposed = [self.rpn(view.images, view.features)[0] for view in views]
        proposals = [
            torch.cat([view.back(boxes) for view, boxes in zip(views, each, strict=True)])
            for each in zip(*proposed, strict=True)
        ]
        boxes, scores, labels = self.roi_heads.postprocess_detections(
            *self._judged(views, proposals), proposals, images.image_sizes
        )
        masks = self._masks(views, boxes, labels)
        return [
            _surest_first({"boxes": box, "labels": label, "scores": score, "masks": mask}, self.roi_heads.score_thresh)
            for box, label, score, mask in zip(boxes, labels, scores, masks, strict=True)
        ]

    def _look(self, images: ImageList) -> _View:
        pixels = images.tensors
        return _View(images, self.backbone(pixels), pixels.new_ones(4), mirrored=False)

    def _glance(self, images: ImageList) -> _View:
        high, wide = images.tensors.shape[-2:]
        down, across = filled(high * self.glance, wide * self.glance)
        pixels = images.tensors.flip(-1)
        if (down, across) != (high, wide):
            pixels = interpolate(pixels, size=(down, across), mode="bilinear", antialias=True)
        scale = pixels.new_tensor([across / wide, down / high] * 2)
        sizes = [(round(each * down / high), across) for each, _ in images.image_sizes]
        return _View(ImageList(pixels, sizes), self.backbone(pixels), scale, mirrored=True)

    def _judged(self, views: list[_View], proposals: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Logits of the mean probabilities, and the mean steps from *proposals* to the boxes around objects."""
        chances, means = [], []
        for view in views:
            read = self.roi_heads.box_roi_pool(
                view.features, [view.of(each) for each in proposals], view.images.image_sizes
            )
            logits, steps = self.roi_heads.box_predictor(self.roi_heads.box_head(read))
            if view.mirrored:
                steps[:, 0::4] *= -1  # to the left is to the right
            chances.append(logits.softmax(-1))
            means.append(steps)
        least = torch.finfo(chances[0].dtype).tiny
        return torch.stack(chances).mean(0).clamp(min=least).log(), torch.stack(means).mean(0)

    def _masks(self, views: list[_View], boxes: list[Tensor], labels: list[Tensor]) -> list[Tensor]:
        """The mean masks (N, 1, M, M) of each picture's *boxes*, as probabilities."""
        seen = []
        for view in views:
            regions = [view.of(each) for each in boxes]
            read = self.roi_heads.mask_roi_pool(view.features, regions, view.images.image_sizes)
            masks = maskrcnn_inference(self.roi_heads.mask_predictor(self.roi_heads.mask_head(read)), labels)
            seen.append([each.flip(-1) if view.mirrored else each for each in masks])
        return [torch.stack(each).mean(0) for each in zip(*seen, strict=True)]


class _Filling(GeneralizedRCNNTransform):  # type: ignore[misc]
    """Torchvision's resizing, but that pictures fill their frame: a padded side has an edge where there is none."""

    def resize(self, image: Tensor, target: Detected | None = None) -> tuple[Tensor, Detected | None]:
        height, width = image.shape[-2:]
        self.fixed_size = filled(*scaled(self, height, width))[::-1]
        resized: tuple[Tensor, Detected | None] = super().resize(image, target)
        return resized


def scaled(transform: GeneralizedRCNNTransform, height: int, width: int) -> tuple[int, int]:
    """Height and width to which torchvision resizes a picture."""
    scale = scale_of(transform, height, width)
    return math.floor(height * scale), math.floor(width * scale)


def scale_of(transform: GeneralizedRCNNTransform, height: int, width: int) -> float:
    """By how much torchvision resizes a picture."""
    scale: float = min(transform.min_size[-1] / min(height, width), transform.max_size / max(height, width))
    return scale


def filled(height: float, width: float) -> tuple[int, int]:
    """The nearest sides that the backbone halves without a rest."""
    down, across = (max(1, round(side / MULTIPLE)) * MULTIPLE for side in (height, width))
    return down, across


def sureness(masks: Tensor) -> Tensor:
    """How sure each of the *masks* (N, 1, M, M) is inside (N,), the mean of what exceeds INSIDE."""
    flat = masks.flatten(1)
    inside = flat > INSIDE
    return (flat * inside).sum(1) / inside.sum(1).clamp(min=1)


def _surest_first(found: Detected, least: float) -> Detected:
    """*found* by what each is worth with its mask; what is then worth *least* or less goes."""
    scores = decayed(found["scores"] * sureness(found["masks"]), found["boxes"], found["masks"], found["labels"])
    order = scores.argsort(descending=True)
    order = order[scores[order] > least]
    return {name: (scores if name == "scores" else values)[order] for name, values in found.items()}
