"""Seams: what was seen in overlapping tiles, put together so that no object comes twice or in halves."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from spoolfarm.tasks.segment.pasting import INSIDE
from spoolfarm.tasks.segment.soft_nms import overlaps
from spoolfarm.tasks.segment.tiles import Grid, Window
from spoolfarm.tasks.segment.two_views import Detected

#: Pixels, as the net sees them, within which a box ends at a tile's edge: the object goes on beyond it.
EDGE = 3.0
#: Two are one object when this part of both together is common to them, and a piece of it when this part of it is.
SAME, WITHIN = 0.5, 0.7
#: From which part of what neighbours share on an object of the first look stays: no tile may hold the whole of it.
LARGE = 0.7


def joined(first: Detected, parts: Sequence[tuple[Window, Detected]], grid: Grid) -> Detected:
    """What is in a picture, the surest first.

    Of the *first* look that is what is larger than what tiles share, or lies where no tile was looked at; of the tiles,
    what none of their edges cuts; and of two that are the same, the surer one.
    """
    kept = [_pick(first, _left_to_the_first(first["boxes"], [window for window, _ in parts], grid))]
    kept += [_pick(seen, ~_cut(seen["boxes"], window, grid)) for window, seen in parts]
    every = {name: torch.cat([each[name] for each in kept]) for name in first}
    look = torch.cat([torch.full((len(each["scores"]),), number) for number, each in enumerate(kept)])
    order = every["scores"].argsort(descending=True, stable=True)
    every, look = _pick(every, order), look.to(order.device)[order]
    return _pick(every, _single(every, look))


def sides(seen: Detected) -> Tensor:
    """The roots of the areas (N,) of masks, in pixels of the frame that the boxes are in."""
    boxes = seen["boxes"]
    areas = (boxes[:, 2:] - boxes[:, :2]).clamp(min=0).prod(1)
    return (areas * (seen["masks"] > INSIDE).float().flatten(1).mean(1)).sqrt()


def _pick(seen: Detected, which: Tensor) -> Detected:
    return {name: values[which] for name, values in seen.items()}


def _left_to_the_first(boxes: Tensor, windows: Sequence[Window], grid: Grid) -> Tensor:
    """Which of the first look's *boxes* (N, 4) no tile shows better."""
    large = (boxes[:, 2:] - boxes[:, :2]).amax(1) > LARGE * grid.shared
    if grid.columns * grid.rows == 1:
        large = torch.zeros_like(large)
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    seen = torch.zeros_like(large)
    for one in windows:
        corners = boxes.new_tensor([[one.left, one.top], [one.left + one.width, one.top + one.height]])
        seen |= ((middle >= corners[0]) & (middle <= corners[1])).all(1)
    return large | ~seen


def _cut(boxes: Tensor, window: Window, grid: Grid) -> Tensor:
    """Which *boxes* (N, 4) reach an edge of their window that is not the picture's."""
    near = EDGE / grid.scale
    right, low = window.left + window.width, window.top + window.height
    cut = torch.zeros(len(boxes), dtype=torch.bool, device=boxes.device)
    if window.left > 0:
        cut |= boxes[:, 0] < window.left + near
    if window.top > 0:
        cut |= boxes[:, 1] < window.top + near
    if right < grid.width:
        cut |= boxes[:, 2] > right - near
    if low < grid.height:
        cut |= boxes[:, 3] > low - near
    return cut


def _single(seen: Detected, look: Tensor) -> Tensor:
    """Which of what was *seen*, the surest first, in different looks (N,) is no second sight of a surer one."""
    shared, areas = overlaps(seen["boxes"], seen["masks"][:, 0] > INSIDE, look[:, None] != look)
    both = areas[:, None] + areas - shared
    tile = look > 0
    piece = (shared > WITHIN * areas) & (areas <= areas[:, None]) & tile & tile[:, None]
    same = (shared > SAME * both) | piece
    same &= (seen["labels"][:, None] == seen["labels"]) & (shared > 0)
    rows = same.cpu()
    keep = torch.ones(len(rows), dtype=torch.bool)
    for number in range(len(rows)):
        if keep[number]:
            keep[number + 1 :] &= ~rows[number, number + 1 :]
    return keep.to(look.device)
