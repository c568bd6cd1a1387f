"""Pasting: a net's small masks enlarged to pixels, each inside its own box only.

Pixel for pixel what torchvision's `paste_masks_in_image(...) > 0.5` gives, without a floating-point picture for each
mask: twenty masks in 12 megapixels would take 2 GB, and 1.3 s in place of 17 ms (`python -m benchmarks.pieces`).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from torch import Tensor, int64
from torch.nn.functional import interpolate

from spoolfarm.tasks.segment.instance import Pixels
from spoolfarm.tasks.segment.vision import expand_boxes, expand_masks

#: Pixels outside of the net's small mask that count as empty.
PADDING = 1
#: The probability above which a pixel belongs to the mask.
INSIDE = 0.5


def paste(masks: Tensor, boxes: Tensor, height: int, width: int) -> Iterator[tuple[Pixels, int, int] | None]:
    """For each of the *masks* (N, 1, M, M) and *boxes* (N, 4: x0, y0, x1, y1): the crop, its left and its top.

    None for a mask that is empty within the picture.
    """
    padded, scale = expand_masks(masks, PADDING)
    corners = expand_boxes(boxes, scale).to(int64).tolist()
    for mask, (x0, y0, x1, y1) in zip(padded, corners, strict=True):
        size = max(y1 - y0 + 1, 1), max(x1 - x0 + 1, 1)
        left, top, right, bottom = max(x0, 0), max(y0, 0), min(x1 + 1, width), min(y1 + 1, height)
        if left >= right or top >= bottom:
            yield None
            continue
        whole = interpolate(mask[None], size=size, mode="bilinear", align_corners=False)[0, 0]
        inside = whole[top - y0 : bottom - y0, left - x0 : right - x0] > INSIDE
        yield (inside.numpy().view(np.uint8), left, top) if inside.any() else None
