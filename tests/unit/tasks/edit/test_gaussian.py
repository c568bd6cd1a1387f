"""The blur by cosines: what a Gaussian kernel makes of a picture, in a time that the picture bounds."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from spoolfarm.tasks.edit.gaussian import blurred, deviation
from spoolfarm.tasks.edit.operations import LONGEST_KERNEL, Blur
from tests.unit.tasks.edit.test_operations import noise


def exactly_blurred(picture: Any, side: int) -> Any:
    """*picture* as the definition has it: the kernel's weights in double precision, laid over mirrored edges."""
    offsets = np.arange(side) - side // 2
    weights = np.exp(-(offsets**2) / (2 * deviation(side) ** 2))
    found = picture.astype(np.float64)
    for axis in (0, 1):
        last = picture.shape[axis] - 1
        matrix = np.zeros((last + 1, last + 1))
        for row in range(last + 1):
            place = np.abs((row + offsets) % (2 * last or 1))
            np.add.at(matrix[row], np.where(place > last, 2 * last - place, place), weights / weights.sum())
        found = np.moveaxis(np.tensordot(matrix, found, (1, axis)), 0, axis)
    return found


def shapes(width: int, height: int) -> Any:
    """A white sheet with a black corner and an edge."""
    picture = np.full((height, width, 3), 255, np.uint8)
    picture[: height // 3, : width // 4] = 0
    picture[:, width // 2 :, 1] = 40
    return picture


def stripes(width: int, height: int) -> Any:
    picture = np.zeros((height, width), np.uint8)
    picture[::2] = 255
    return picture


@pytest.mark.parametrize("picture", [noise(140, 90), shapes(140, 90), stripes(140, 90), noise(31, 300), noise(2, 3)])
@pytest.mark.parametrize("side", [101, LONGEST_KERNEL + 2, 251, 421, 901])
def test_it_is_the_gaussian_to_within_a_grey_level_up_to_three_times_the_side(picture: Any, side: int) -> None:
    made = blurred(picture, side)
    assert (made.shape, made.dtype) == (picture.shape, np.uint8)
    assert np.abs(made - exactly_blurred(picture, side)).max() < 0.6


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (50, 1)])
def test_a_side_of_one_pixel_is_its_own_mirror_image(size: tuple[int, int]) -> None:
    picture = noise(*size)
    assert np.abs(blurred(picture, 103) - exactly_blurred(picture, 103)).max() < 1


def test_an_endless_kernel_leaves_the_mean_of_the_mirrored_picture() -> None:
    picture = noise(40, 30)
    made = blurred(picture, 10**18 + 1)
    assert np.ptp(made, axis=(0, 1)).max() == 0
    assert np.abs(made[0, 0] - exactly_blurred(picture, 30_001)[0, 0]).max() < 1


def test_a_part_of_a_picture_is_blurred_without_its_neighbours() -> None:
    part = noise(80, 60)[10:50, 5:70]
    assert np.array_equal(blurred(part, 301), blurred(part.copy(), 301))


def test_a_longer_kernel_takes_no_longer() -> None:
    picture = noise(600, 400)

    def seconds(side: int) -> float:
        """Of one core, the least of some tries."""
        tries = []
        for _ in range(5):
            start = time.process_time()
            Blur(side).one(picture)
            tries.append(time.process_time() - start)
        return min(tries)

    assert seconds(100_001) < 2 * seconds(LONGEST_KERNEL)
