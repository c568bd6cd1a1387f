"""Masks pasted and run-length encoded inside their boxes: the bytes of torchvision and pycocotools."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pycocotools import mask as coco
from torch.nn.functional import interpolate
from torchvision.models.detection.roi_heads import paste_masks_in_image

from spoolfarm.tasks.segment.pasting import paste
from spoolfarm.tasks.segment.rle import compress, encode, run_lengths


def test_1200_random_masks_are_encoded_as_torchvision_and_pycocotools_do() -> None:
    rng, checked, empty = torch.Generator().manual_seed(1), 0, 0
    for number in range(120):
        height, width = (int(side) for side in torch.randint(2, 260, (2,), generator=rng))
        grain, side = ((3, 28), (8, 56), (28, 28), (14, 14))[number % 4]
        masks = interpolate(torch.rand(10, 1, grain, grain, generator=rng), size=(side, side), mode="bilinear")
        middle = torch.rand(10, 2, generator=rng) * torch.tensor([width, height])
        reach = torch.rand(10, 2, generator=rng) * torch.tensor([width, height]) * (0.02, 0.3, 1.5)[number % 3]
        boxes = torch.cat([middle - reach, middle + reach], 1)
        if number % 2:  # as a net clips them; the others reach over the border, or cover the whole picture
            boxes[:, 0::2].clamp_(0, width)
            boxes[:, 1::2].clamp_(0, height)
        whole = (paste_masks_in_image(masks, boxes, (height, width)) > 0.5)[:, 0].numpy().astype(np.uint8)
        for full, pasted in zip(whole, paste(masks, boxes, height, width), strict=True):
            checked += 1
            if pasted is None:
                empty += 1
                assert not full.any()
            else:
                crop, left, top = pasted
                wanted = coco.encode(np.asfortranarray(full))
                assert encode(crop, left, top, height, width) == wanted["counts"]
                assert int(crop.sum()) == coco.area(wanted)
    assert checked == 1200
    assert 0 < empty < 300


@pytest.mark.parametrize("fill", [0.0, 0.02, 0.5, 0.98, 1.0])
def test_noise_in_any_crop_is_encoded_as_pycocotools_does(fill: float) -> None:
    rng = np.random.default_rng(int(fill * 100))
    for number in range(200):
        height, width = (int(side) for side in rng.integers(1, 70, 2))
        rows = height if number % 3 == 0 else int(rng.integers(1, height + 1))
        columns = width if number % 5 == 0 else int(rng.integers(1, width + 1))
        top, left = int(rng.integers(height - rows + 1)), int(rng.integers(width - columns + 1))
        crop = (rng.random((rows, columns)) < fill).astype(np.uint8)
        whole = np.zeros((height, width), np.uint8, order="F")
        whole[top : top + rows, left : left + columns] = crop
        assert encode(crop, left, top, height, width) == coco.encode(whole)["counts"]


def test_the_lengths_are_those_of_the_uncompressed_format() -> None:
    crop = np.array([[1, 0], [1, 1]], np.uint8)
    assert run_lengths(crop, 1, 1, 4, 3).tolist() == [5, 2, 3, 1, 1]
    assert run_lengths(np.ones((4, 2), np.uint8), 0, 0, 4, 2).tolist() == [0, 8]
    uncompressed = {"size": [4, 3], "counts": [5, 2, 3, 1, 1]}
    assert compress(np.array([5, 2, 3, 1, 1])) == coco.frPyObjects(uncompressed, 4, 3)["counts"]


def test_lengths_of_every_size_are_written_in_full() -> None:
    for size in (1, 15, 16, 31, 32, 1023, 1024, 2**20 - 1, 2**20, 2**28):
        lengths = [0, size, 7, 1, size + 3, 2]
        given = {"size": [sum(lengths), 1], "counts": lengths}
        assert compress(np.array(lengths)) == coco.frPyObjects(given, sum(lengths), 1)["counts"]
