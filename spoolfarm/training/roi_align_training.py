"""Features of regions, as torchvision's MultiScaleRoIAlign gives them, with gradients at a third of its cost on a CPU.

RoIAlign (https://arxiv.org/abs/1703.06870, section 3) reads a feature map between its cells: each answer is a weighted
sum of cells. A sum of weighted rows of a table is an embedding bag, whose gradient PyTorch computes row by row, where
torchvision's goes through every channel of every cell on its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

#: A region of this side is read from the pyramid's level of this number: Feature Pyramid Networks, equation 1,
#: https://arxiv.org/abs/1612.03144.
CANONICAL_SIDE, CANONICAL_LEVEL = 224, 4
#: The number of the pyramid's finest level, whose stride is 4.
FINEST = 2


class Regions(nn.Module):
    """Reads *size* x *size* features of each region from the pyramid's *levels*, *samples*² for each; in training."""

    def __init__(self, levels: Sequence[str], size: int, samples: int) -> None:
        super().__init__()
        self.levels, self.size, self.samples = levels, size, samples

    def forward(self, pyramid: Mapping[str, Tensor], boxes: Sequence[Tensor], sides: Any) -> Tensor:
        """Features (regions, channels, size, size) of the *boxes* of each picture, of which all have one size."""
        maps = [pyramid[name].float() for name in self.levels]
        tables = [each.permute(0, 2, 3, 1).flatten(0, 2) for each in maps]
        first = torch.tensor([0, *(len(table) for table in tables[:-1])]).cumsum(0)
        heights, widths = (torch.tensor([each.shape[axis] for each in maps]) for axis in (2, 3))
        box = torch.cat(list(boxes))
        picture = torch.arange(len(boxes)).repeat_interleave(torch.tensor([len(each) for each in boxes]))
        level = self._level(box)
        high, wide = heights[level], widths[level]
        box = box * (widths / sides[0][1])[level, None]
        rows, row_weights = self._cells(box[:, 1], box[:, 3], high)
        columns, column_weights = self._cells(box[:, 0], box[:, 2], wide)
        start = (first[level] + picture * high * wide)[:, None, None, None, None]
        cells = start + rows[:, :, None, :, None] * wide[:, None, None, None, None] + columns[:, None, :, None, :]
        weights = row_weights[:, :, None, :, None] * column_weights[:, None, :, None, :] / self.samples**2
        summed = nn.functional.embedding_bag(
            cells.flatten(3).flatten(0, 2),
            torch.cat(tables),
            per_sample_weights=weights.flatten(3).flatten(0, 2),
            mode="sum",
        )
        return summed.view(len(box), self.size, self.size, maps[0].shape[1]).permute(0, 3, 1, 2)

    def _level(self, box: Tensor) -> Tensor:
        """Which map each box is read from."""
        sides = ((box[:, 2] - box[:, 0]) * (box[:, 3] - box[:, 1])).sqrt()
        level = torch.floor(CANONICAL_LEVEL + torch.log2(sides / CANONICAL_SIDE) + 1e-6) - FINEST
        return level.clamp(0, len(self.levels) - 1).long()

    def _cells(self, low: Tensor, high: Tensor, cells: Tensor) -> tuple[Tensor, Tensor]:
        """Along one axis: the two cells around each sample and their weights, (regions, size, 2 * samples)."""
        count = self.size * self.samples
        at = low[:, None] + (high - low).clamp(min=1)[:, None] * (torch.arange(count) + 0.5) / count
        inside = (at >= -1) & (at <= cells[:, None])
        last = cells[:, None] - 1
        at = torch.minimum(at.clamp(min=0), last.to(at.dtype))
        lower = at.long()
        part = at - lower
        indices = torch.stack([lower, torch.minimum(lower + 1, last)], -1)
        weights = torch.stack([1 - part, part], -1) * inside[..., None]
        shape = (len(low), self.size, 2 * self.samples)
        return indices.view(shape), weights.view(shape)
