"""Duplicates: a detection counts for less the more its mask overlaps that of a surer one."""

from __future__ import annotations

import torch
from torch import Tensor

from spoolfarm.tasks.segment.pasting import INSIDE

#: The width of the penalty's bell: Soft-NMS, https://arxiv.org/abs/1704.04503, equation 3 and section 5.
SIGMA = 0.5
#: Points across a box at which two masks are compared.
POINTS = 14
#: Pairs that are compared at once: each takes about 10 KB.
PAIRS = 20_000


def decayed(scores: Tensor, boxes: Tensor, masks: Tensor, labels: Tensor) -> Tensor:
    """The *scores* (N,) after Soft-NMS by masks: each multiplied by exp(-IoU² / SIGMA) for each surer one of its label.

    *boxes* are (N, 4: x0, y0, x1, y1), *masks* (N, 1, M, M) probabilities inside them. A box's NMS has to let crossing
    bars pass, whose boxes overlap and whose masks do not; what it lets pass too many of is found here.
    """
    over = _ratio(*overlaps(boxes, masks[:, 0] > INSIDE, labels[:, None] == labels))
    factors = (-(over**2) / SIGMA).exp().cpu()
    left, worth = scores.cpu().clone(), scores.cpu().clone()
    for _ in range(len(scores)):
        surest = left.argmax()
        worth[surest] = left[surest]
        left *= factors[surest]
        left[surest] = -1.0
    return worth.to(scores.device)


def overlaps(boxes: Tensor, masks: Tensor, which: Tensor) -> tuple[Tensor, Tensor]:
    """What every two masks have in common (N, N), and the area of each (N,).

    *masks* (N, M, M) fill their *boxes* (N, 4). Two are compared where *which* (N, N) says so, at POINTS² points of the
    smaller one's box.
    """
    sizes = (boxes[:, 2:] - boxes[:, :2]).clamp(min=1e-6)
    areas = sizes.prod(1)
    meet = (torch.min(boxes[:, None, 2:], boxes[:, 2:]) > torch.max(boxes[:, None, :2], boxes[:, :2])).all(2)
    pairs = (meet & which & _before(areas)).nonzero()
    steps = (torch.arange(POINTS, device=boxes.device) + 0.5) / POINTS
    side = masks.shape[-1]
    own = masks[:, (steps * side).long()][:, :, (steps * side).long()]
    common = boxes.new_zeros(len(boxes), len(boxes))
    for small, large in (some.unbind(1) for some in torch.split(pairs, PAIRS)):
        points = boxes[small, None, :2] + steps[None, :, None] * sizes[small, None]
        cells = ((points - boxes[large, None, :2]) / sizes[large, None] * side).floor().long()
        inside = (cells >= 0) & (cells < side)
        columns, rows = cells.clamp(0, side - 1).unbind(2)
        other = masks[large[:, None, None], rows[:, :, None], columns[:, None, :]]
        both = own[small] & other & inside[:, :, None, 1] & inside[:, None, :, 0]
        common[small, large] = common[large, small] = both.float().mean((1, 2)) * areas[small]
    return common, masks.float().mean((1, 2)) * areas


def _ratio(common: Tensor, areas: Tensor) -> Tensor:
    """The IoU (N, N) of every two."""
    return (common / (areas[:, None] + areas - common).clamp(min=1e-6)).clamp(max=1.0)


def _before(areas: Tensor) -> Tensor:
    """Of every two, which one comes first by area (N, N); of two alike the earlier one."""
    order = areas.argsort(stable=True).argsort()
    return order[:, None] < order
