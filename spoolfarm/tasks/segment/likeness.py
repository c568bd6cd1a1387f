"""Likeness: how far the colour of each object of a picture is from that of its surest ones."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

from spoolfarm.tasks.segment.instance import Pixels
from spoolfarm.tasks.segment.pasting import INSIDE
from spoolfarm.tasks.segment.tiles import HINT
from spoolfarm.tasks.segment.two_views import Detected

#: Points across a box at which a picture is read.
POINTS = 14
#: What colours vary by at least, in units of 8-bit CIELAB, and the most times that which one may be told to be away.
LEAST, FARTHEST = 5.0, 5.0
#: The weight, of which an object of score 1 has (1 - HINT)², of the others at which what they say counts by half.
HALF = 0.25


def unlike(picture: Pixels, seen: Detected) -> Tensor:
    """How far each object (N,) is from the others in colour, as a part of how much they vary; 0 where none is sure.

    The others count by how much their scores exceed HINT, squared.
    """
    colours = _colours(picture, seen)
    weights = (seen["scores"] - HINT).clamp(min=0).square()[:, None]
    others = (weights.sum() - weights).clamp(min=1e-9)
    means = ((weights * colours).sum(0) - weights * colours) / others
    away = (colours - (weights * colours).sum(0) / weights.sum().clamp(min=1e-9)).square().sum(1, keepdim=True)
    vary = (((weights * away).sum() - weights * away) / others).clamp(min=0).sqrt() + LEAST
    far = ((colours - means).norm(dim=1, keepdim=True) / vary).clamp(max=FARTHEST)
    told: Tensor = (far * others / (others + HALF))[:, 0]
    return told


def _colours(picture: Pixels, seen: Detected) -> Tensor:
    """The mean colour (N, 3) of each object, in 8-bit CIELAB."""
    boxes, masks = seen["boxes"].cpu(), seen["masks"][:, 0].cpu() > INSIDE
    if not len(boxes):
        return seen["boxes"].new_zeros(0, 3)
    steps = (torch.arange(POINTS) + 0.5) / POINTS
    cells = (steps * masks.shape[-1]).long()
    inside = masks[:, cells][:, :, cells].flatten(1)[:, :, None].float()
    points = boxes[:, None, :2] + steps[None, :, None] * (boxes[:, None, 2:] - boxes[:, None, :2])
    columns, rows = (points[:, :, axis].long().clamp(0, picture.shape[1 - axis] - 1).numpy() for axis in (0, 1))
    read = picture[rows[:, :, None], columns[:, None, :]].reshape(len(boxes), POINTS**2, 3)
    colours = torch.from_numpy(cv2.cvtColor(np.ascontiguousarray(read), cv2.COLOR_BGR2LAB)).float()
    means = (colours * inside).sum(1) / inside.sum(1).clamp(min=1)
    return means.to(seen["boxes"].device)
