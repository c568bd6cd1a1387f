"""Duplicates: detections whose mask lies over that of a surer one are worth less."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from spoolfarm.tasks.segment.soft_nms import SIGMA, decayed

ROUND = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (56, 56)).astype(np.float32)
FULL = np.ones((56, 56), np.float32)
RISING, FALLING = np.eye(56, dtype=np.float32)[::-1].copy(), np.eye(56, dtype=np.float32)


def worth(
    *detections: tuple[float, tuple[float, float, float, float], np.ndarray], labels: list[int] | None = None
) -> list[float]:
    scores, boxes, masks = zip(*detections, strict=True)
    stacked = torch.from_numpy(np.stack(masks))[:, None]
    return decayed(
        torch.tensor(scores), torch.tensor(boxes), stacked, torch.tensor(labels or [1] * len(scores))
    ).tolist()


def penalty(overlap: float) -> float:
    return math.exp(-(overlap**2) / SIGMA)


def test_the_same_object_found_twice_counts_once_as_a_sure_one() -> None:
    box = (10.0, 10.0, 50.0, 40.0)
    assert worth((0.7, box, ROUND), (0.9, box, ROUND)) == pytest.approx([0.7 * penalty(1), 0.9], abs=0.02)


def test_boxes_that_overlap_cost_nothing_where_masks_do_not() -> None:
    bars = [cv2.dilate(each, np.ones((3, 3))) for each in (RISING, FALLING)]
    crossing = worth((0.9, (0.0, 0.0, 60.0, 60.0), bars[0]), (0.8, (0.0, 0.0, 60.0, 60.0), bars[1]))
    assert crossing == pytest.approx([0.9, 0.8], abs=0.01)
    assert worth((0.9, (0.0, 0.0, 9.0, 9.0), FULL), (0.8, (9.0, 0.0, 18.0, 9.0), FULL)) == pytest.approx([0.9, 0.8])


@pytest.mark.parametrize(
    ("other", "overlap"),
    [
        ((0.0, 0.0, 20.0, 40.0), 0.5),
        ((20.0, 20.0, 60.0, 60.0), 400 / 2800),
        ((-10.0, 10.0, 30.0, 50.0), 900 / 2300),
        ((10.0, 10.0, 11.0, 11.0), 1 / 1600),
    ],
)
def test_the_penalty_is_that_of_the_masks_iou(other: tuple[float, float, float, float], overlap: float) -> None:
    first, second = worth((0.9, (0.0, 0.0, 40.0, 40.0), FULL), (0.5, other, FULL))
    assert first == pytest.approx(0.9)
    assert second == pytest.approx(0.5 * penalty(overlap), abs=0.01)


def test_what_was_found_to_be_a_duplicate_weighs_less_on_others() -> None:
    left, middle, right = ((x, 0.0, x + 40.0, 40.0) for x in (0.0, 8.0, 20.0))
    scores = worth((0.9, left, FULL), (0.8, middle, FULL), (0.7, right, FULL))
    far, near = 20 / 60, 28 / 52
    assert scores == pytest.approx([0.9, 0.8 * penalty(32 / 48) * penalty(near), 0.7 * penalty(far)], abs=0.02), (
        "the right one, now surer than the middle one, comes before it"
    )


def test_objects_of_other_categories_are_no_duplicates() -> None:
    box = (0.0, 0.0, 40.0, 40.0)
    assert worth((0.9, box, FULL), (0.8, box, FULL), labels=[1, 2]) == pytest.approx([0.9, 0.8])


def test_no_detections_and_empty_masks_are_fine() -> None:
    nothing: Tensor = decayed(torch.zeros(0), torch.zeros(0, 4), torch.zeros(0, 1, 56, 56), torch.zeros(0).long())
    assert len(nothing) == 0
    box, empty = (5.0, 5.0, 5.0, 9.0), np.zeros((56, 56), np.float32)
    assert worth((0.9, box, empty), (0.8, box, FULL), (0.7, (0.0, 0.0, 40.0, 40.0), FULL)) == pytest.approx(
        [0.9, 0.8, 0.7], abs=0.01
    )
