"""The direction of a mask: one function of its moments."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from spoolfarm.tasks.segment.instance import Instance, Pixels
from spoolfarm.tasks.segment.orientation import axis
from tests.support.drawn_scenes import bar, between


def instance(mask: Pixels, left: int = 0, top: int = 0) -> Instance:
    return Instance(mask, left, top, (0.0, 0.0, 0.0, 0.0), 1.0, 1)


def blob(rng: np.random.Generator) -> Pixels:
    """A random polygon, one region."""
    mask = np.zeros(rng.integers(20, 120, 2), np.uint8)
    corners = rng.integers(0, mask.shape[::-1], (int(rng.integers(3, 9)), 2)).astype(np.int32)
    cv2.fillPoly(mask, [cv2.convexHull(corners)], (1,))
    return mask


def test_it_is_what_scikit_image_measures() -> None:
    from skimage.measure import regionprops  # heavy, and most processes that look for tests need none of it

    rng = np.random.default_rng(3)
    for _ in range(300):
        mask = blob(rng)
        found, [known] = axis(instance(mask)), regionprops(mask)
        assert found.area == known.area
        assert found.centroid == pytest.approx(known.centroid[::-1], abs=1e-9)
        assert found.eccentricity == pytest.approx(known.eccentricity, abs=1e-6)
        assert found.lengths == pytest.approx((known.axis_major_length, known.axis_minor_length), abs=1e-6)
        if found.eccentricity > 1e-3:  # there the other's sign of zero would decide
            assert between(found.degree, math.degrees(known.orientation) + 90) < 1e-8


def test_where_the_crop_lies_changes_the_centre_alone() -> None:
    mask = blob(np.random.default_rng(8))
    near, far = axis(instance(mask)), axis(instance(mask, 4000, 3000))
    assert (far.degree, far.eccentricity, far.area) == (near.degree, near.eccentricity, near.area)
    assert far.centroid == pytest.approx((near.centroid[0] + 4000, near.centroid[1] + 3000))


@pytest.mark.parametrize("degree", range(-85, 95, 5))
def test_a_bar_comes_back_as_it_was_drawn(degree: int) -> None:
    mask = (bar(degree)[:, :, 0] < 128).astype(np.uint8)
    found = axis(instance(mask))
    assert between(found.degree, degree) < 0.3
    assert found.eccentricity > 0.9


def test_upright_is_90_and_never_minus_90() -> None:
    for mask in (np.ones((9, 1), np.uint8), np.ones((40, 10), np.uint8)):
        assert axis(instance(mask)).degree == 90
        assert axis(instance(np.ascontiguousarray(mask.T))).degree == 0
        assert math.copysign(1, axis(instance(np.ascontiguousarray(mask.T))).degree) == 1


def test_what_has_no_direction_is_round() -> None:
    dot = axis(instance(np.ones((1, 1), np.uint8)))
    assert (dot.degree, dot.eccentricity) == (0, 0)
    assert axis(instance(np.ones((7, 7), np.uint8))).eccentricity < 1e-6
    assert axis(instance(cv2.circle(np.zeros((99, 99), np.uint8), (49, 49), 40, (1,), cv2.FILLED))).eccentricity < 0.05
