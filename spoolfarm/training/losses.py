"""Losses: what the net in training gets wrong about a batch, where the labels say what is right."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from spoolfarm.tasks.segment.vision import ImageList, MaskRCNN, box_iou, fastrcnn_loss, maskrcnn_loss
from spoolfarm.training.samples import Sample
from spoolfarm.training.scenes.noise import Array

#: The part of a box in an ignored region from which the box teaches nothing.
IGNORED = 0.5
#: Proposals that a picture's regions are drawn from: a crowd has more objects than a net that serves wants.
PROPOSALS = 400


def prepare(model: MaskRCNN) -> None:
    """Let *model* learn crowds, and nothing from ignored regions."""
    model.rpn._pre_nms_top_n["training"] = model.rpn._post_nms_top_n["training"] = PROPOSALS
    assign = model.rpn.assign_targets_to_anchors

    def assigned(anchors: list[Tensor], targets: list[dict[str, Tensor]]) -> tuple[list[Tensor], list[Tensor]]:
        labels, boxes = assign(anchors, targets)
        for label, anchor, target in zip(labels, anchors, targets, strict=True):
            if "ignored" in target:
                label[(label == 0) & _ignored(anchor, target["ignored"])] = -1  # neither object nor ground
        return labels, boxes

    model.rpn.assign_targets_to_anchors = assigned


def losses(model: MaskRCNN, samples: Sequence[Sample]) -> dict[str, Tensor]:
    """The losses of pictures of one size, past torchvision's resizing, which would cost as much as the backbone."""
    pixels = torch.from_numpy(np.stack([sample.picture for sample in samples])).permute(0, 3, 1, 2).float() / 255
    mean, deviation = (
        torch.tensor(each)[:, None, None] for each in (model.transform.image_mean, model.transform.image_std)
    )
    pixels = (pixels - mean) / deviation
    images = ImageList(pixels, [tuple(pixels.shape[-2:])] * len(samples))
    targets = [_target(sample) for sample in samples]
    features = {name: level.float() for name, level in model.backbone(pixels).items()}
    proposals, first = model.rpn(images, features, targets)
    found: dict[str, Tensor] = {**first, **_judged(model, images, features, proposals, targets)}
    return found


def _judged(
    model: MaskRCNN,
    images: ImageList,
    features: dict[str, Tensor],
    proposals: Sequence[Tensor],
    targets: list[dict[str, Tensor]],
) -> dict[str, Tensor]:
    """The losses of the heads, as torchvision has them, but that only the masks that are learned from are read."""
    heads = model.roi_heads
    left = [_outside(each, target) for each, target in zip(proposals, targets, strict=True)]
    regions, matched, labels, steps = heads.select_training_samples(left, targets)
    read = heads.box_roi_pool(features, regions, images.image_sizes)
    logits, boxes = heads.box_predictor(heads.box_head(read))
    kind, box = fastrcnn_loss(logits, boxes, labels, steps)
    shown = [torch.where(label > 0)[0] for label in labels]
    objects = [region[each] for region, each in zip(regions, shown, strict=True)]
    own = [each[index] for each, index in zip(matched, shown, strict=True)]
    read = heads.mask_roi_pool(features, objects, images.image_sizes)
    drawn = heads.mask_predictor(heads.mask_head(read))
    masks = [target["masks"][each] for target, each in zip(targets, own, strict=True)]
    kinds = [target["labels"][each] for target, each in zip(targets, own, strict=True)]
    mask = maskrcnn_loss(drawn, objects, masks, kinds, [torch.arange(len(each)) for each in own])
    return {"loss_classifier": kind, "loss_box_reg": box, "loss_mask": mask}


def _outside(proposals: Tensor, target: dict[str, Tensor]) -> Tensor:
    """The *proposals* without those in ignored regions that are no object."""
    if "ignored" not in target:
        return proposals
    dropped = _ignored(proposals, target["ignored"])
    if len(target["boxes"]):
        dropped &= box_iou(proposals, target["boxes"]).amax(1) < IGNORED
    return proposals[~dropped]


def _ignored(boxes: Tensor, sums: Tensor) -> Tensor:
    """Which of *boxes* (N, 4) lie in ignored regions, of which *sums* (height + 1, width + 1) is the integral."""
    high, wide = sums.shape[0] - 1, sums.shape[1] - 1
    x0, x1 = (boxes[:, axis].round().long().clamp(0, wide) for axis in (0, 2))
    y0, y1 = (boxes[:, axis].round().long().clamp(0, high) for axis in (1, 3))
    inside = sums[y1, x1] - sums[y0, x1] - sums[y1, x0] + sums[y0, x0]
    return inside > IGNORED * ((x1 - x0) * (y1 - y0)).clamp(min=1)


def _target(sample: Sample) -> dict[str, Tensor]:
    """What torchvision wants to know of a sample; a box ends one pixel past its mask."""
    boxes = np.zeros((len(sample.masks), 4), np.float32)
    for box, mask in zip(boxes, sample.masks, strict=True):
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        box[:] = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
    target = {
        "boxes": torch.from_numpy(boxes),
        "labels": torch.from_numpy(sample.classes),
        "masks": torch.from_numpy(sample.masks),
    }
    if sample.ignored is not None:
        target["ignored"] = torch.from_numpy(_integral(sample.ignored))
    return target


def _integral(mask: Array) -> Array:
    sums = np.zeros((mask.shape[0] + 1, mask.shape[1] + 1), np.int64)
    sums[1:, 1:] = (mask > 0).cumsum(0).cumsum(1)
    return sums
