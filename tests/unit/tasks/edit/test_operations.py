"""The operations: their values, what they make of a picture, and that its size is known before."""

from __future__ import annotations

import random
from typing import Any

import cv2
import numpy as np
import pytest

from spoolfarm.tasks.edit.operations import OPERATIONS, Operation, Size, size_of
from tests.support.running_farm import ROOT

PAGE = (ROOT / "docs/edit.md").read_text()


def noise(width: int, height: int, seed: int = 1) -> np.ndarray[Any, Any]:
    """A colour picture in which no two places look alike."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def made(text: str) -> Operation:
    """The operation that *text* means, which must not be skipped."""
    name, _, value = text.partition("=")
    operation = OPERATIONS[name].parse(value)
    assert operation is not None, text
    return operation


def one(text: str, picture: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The one picture that *text* makes of *picture*."""
    [result] = made(text).apply(picture)
    return result


@pytest.mark.parametrize(
    "text",
    [
        *("resize=0.05", "resize=0", "resize=-1", "resize=100.1", "resize=nan", "resize=inf", "resize=-Infinity"),
        *("split=None", "split=false", "split=False", "splitQuadrants=None", "splitQuadrants=False"),
        *("blur=-1", "blur=-30", "crop=-1,0,5,5", "crop=0,0,0,5", "crop=0,0,5,-5", "rotate=361", "rotate=nan"),
        *("grayscale=False", "sharpen=0", "sharpen=11", "threshold=-1", "threshold=256", "denoise=0", "denoise=101"),
        *("fit=0,5", "fit=5,20000", "quality=0", "quality=101"),
    ],
)
def test_a_value_out_of_bounds_skips_the_operation(text: str) -> None:
    name, _, value = text.partition("=")
    assert OPERATIONS[name].parse(value) is None


@pytest.mark.parametrize(
    "text",
    [
        *("resize=", "resize=x", "resize=1,5", "resize=1_0", "resize=٢", "resize=0x1", "blur=", "blur=1.5", "blur=nan"),
        *(
            "crop=1,2,3",
            "crop=1,2,3,4,5",
            "crop=a,b,c,d",
            "crop=1.5,0,5,5",
            "rotate=left",
        ),
        *(
            "flip=",
            "flip=x",
            "flip=H",
            "sharpen=very",
            "threshold=Otsu",
            "threshold=0.5",
            "denoise=",
            "fit=5",
            "fit=5,x",
        ),
        *("quality=high", "quality=95.0"),
    ],
)
def test_a_malformed_value_is_an_error_that_says_what_is_taken(text: str) -> None:
    name, _, value = text.partition("=")
    with pytest.raises(ValueError, match=r"number|h or v"):
        OPERATIONS[name].parse(value)


def test_a_number_of_any_length_is_one() -> None:
    picture = noise(9, 7)
    endless = "9" * 5000
    assert np.ptp(one(f"blur={endless}", picture), axis=(0, 1)).max() == 0
    assert np.array_equal(one(f"crop=2,1,{endless},{endless}", picture), picture[1:, 2:])
    assert OPERATIONS["blur"].parse(f"-{endless}") is OPERATIONS["quality"].parse(endless) is None


@pytest.mark.parametrize("text", ["split=True", "split=1", "split=no", "split=", "splitQuadrants=true", "split=NONE"])
def test_any_other_value_splits(text: str) -> None:
    assert len(made(text).apply(noise(4, 4))) == 4


def test_resize_scales_both_sides() -> None:
    picture = noise(40, 30)
    assert size_of(one("resize=2", picture)) == (80, 60)
    assert size_of(one("resize=0.5", picture)) == (20, 15)
    assert size_of(one("resize=1e0", picture)) == (40, 30)
    assert size_of(one("resize=0.0501", noise(3, 3))) == (1, 1)
    half = one("resize=0.5", picture)
    assert np.array_equal(half[0, 0], picture[:2, :2].reshape(-1, 3).mean(0).round())


def test_split_gives_the_quadrants_in_reading_order_and_an_odd_side_more_to_the_second() -> None:
    picture = noise(7, 5)
    left_top, right_top, left_bottom, right_bottom = made("split=True").apply(picture)
    assert np.array_equal(
        np.vstack([np.hstack([left_top, right_top]), np.hstack([left_bottom, right_bottom])]), picture
    )
    assert (size_of(left_top), size_of(right_bottom)) == ((3, 2), (4, 3))


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1)])
def test_a_side_under_two_pixels_is_not_split(size: Size) -> None:
    picture = noise(*size)
    assert np.array_equal(one("split=True", picture), picture)


@pytest.mark.parametrize(
    ("text", "kernel", "sigma"), [("blur=5", 5, 0), ("blur=4", 5, 0), ("blur=1", 1, 0), ("blur=0", 0, 1)]
)
def test_blur_is_gaussian_with_an_odd_kernel(text: str, kernel: int, sigma: float) -> None:
    picture = noise(20, 20)
    assert np.array_equal(one(text, picture), cv2.GaussianBlur(picture, (kernel, kernel), sigma))


def test_a_quadrant_is_blurred_without_its_neighbours() -> None:
    picture = noise(20, 20)
    quadrant = made("split=True").apply(picture)[0]
    assert np.array_equal(one("blur=7", quadrant), one("blur=7", quadrant.copy()))


def test_crop_takes_what_of_the_rectangle_is_there() -> None:
    picture = noise(10, 8)
    assert np.array_equal(one("crop=2, 3, 4, 2", picture), picture[3:5, 2:6])
    assert np.array_equal(one("crop=8,6,100,100", picture), picture[6:, 8:])
    assert np.array_equal(one("crop=10,0,5,5", picture), picture)


def test_rotate_turns_counter_clockwise_by_quarters_without_loss() -> None:
    picture = noise(6, 4)
    assert np.array_equal(one("rotate=90", picture), np.rot90(picture))
    assert np.array_equal(one("rotate=-90", picture), np.rot90(picture, 3))
    assert np.array_equal(one("rotate=180", picture), np.rot90(picture, 2))
    assert np.array_equal(one("rotate=360", picture), picture)


def test_rotate_by_any_angle_keeps_all_of_the_picture_on_white() -> None:
    turned = one("rotate=30", np.zeros((100, 200, 3), np.uint8))
    assert size_of(turned) == (223, 187)
    assert (turned[0, 0] == 255).all()
    assert abs(int((turned < 128).all(axis=2).sum()) - 100 * 200) < 500
    right = np.zeros((100, 200, 3), np.uint8)
    right[:, 100:] = 255  # what is right goes up when it turns counter-clockwise
    turned = one("rotate=45", 255 - right)
    dark = np.argwhere((turned < 128).all(axis=2))
    assert dark[:, 0].mean() < turned.shape[0] / 2 - 20


def test_flip_mirrors() -> None:
    picture = noise(5, 4)
    assert np.array_equal(one("flip=h", picture), picture[:, ::-1])
    assert np.array_equal(one("flip=v", picture), picture[::-1])


def test_grayscale_and_threshold_give_one_channel() -> None:
    picture = noise(30, 30)
    grey = one("grayscale=True", picture)
    assert np.array_equal(grey, cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY))
    assert np.array_equal(one("grayscale=True", grey), grey)
    assert np.array_equal(one("threshold=100", picture) > 0, grey > 100)
    bright = np.where(noise(30, 30) > 100, 230, 20).astype(np.uint8)
    assert np.array_equal(one("threshold=otsu", bright) > 0, one("grayscale=1", bright) > 125)


def test_sharpen_makes_an_edge_steeper_and_leaves_a_plain_alone() -> None:
    picture = np.full((20, 20, 3), 100, np.uint8)
    assert np.array_equal(one("sharpen=2", picture), picture)
    picture[:, 10:] = 150
    sharp = one("sharpen=1", picture)
    assert sharp[10, 9, 0] < 100
    assert sharp[10, 10, 0] > 150


def test_denoise_takes_noise_away() -> None:
    noisy = np.clip(128 + 15 * np.random.default_rng(1).standard_normal((64, 64, 3)), 0, 255).astype(np.uint8)
    assert one("denoise=20", noisy).std() < noisy.std() / 2
    assert one("denoise=20", noisy[:, :, 0]).std() < noisy.std() / 2


def test_fit_shrinks_into_the_frame_and_never_enlarges() -> None:
    assert size_of(one("fit=100,100", noise(400, 200))) == (100, 50)
    assert size_of(one("fit=100,20", noise(400, 200))) == (40, 20)
    assert size_of(one("fit=1000,1000", noise(40, 20))) == (40, 20)


VALUES = {
    "resize": ["0.06", "0.37", "1", "1.7", "3"],
    "split": ["True"],
    "blur": ["0", "1", "2", "31", "151", "152", "301", "100001"],
    "crop": ["0,0,3,3", "5,2,100,1", "90,90,1,1", "0,0,1,1"],
    "rotate": ["0", "90", "-180", "270", "13.7", "-45", "359.9"],
    "flip": ["h", "v"],
    "grayscale": ["True"],
    "sharpen": ["0.5", "10"],
    "threshold": ["otsu", "128"],
    "denoise": ["5"],
    "fit": ["10,10", "1,1", "300,2"],
    "quality": ["50"],
}


def test_whatever_follows_whatever_the_sizes_are_known_before_and_the_picture_stays_as_it_was() -> None:
    chance = random.Random(7)
    for _ in range(400):
        picture = noise(chance.choice([1, 2, 3, 17, 40]), chance.choice([1, 2, 5, 16, 33]))
        before = picture.copy()
        if chance.random() < 0.3:
            picture = one("grayscale=1", picture)
            before = picture.copy()
        parts, sizes = [picture], [size_of(picture)]
        names = [chance.choice(list(VALUES)) for _ in range(3)]
        for name in names:
            operation = made(f"{name}={chance.choice(VALUES[name])}")
            parts = [result for part in parts for result in operation.apply(part)]
            sizes = [result for size in sizes for result in operation.sizes(size)]
            assert [size_of(part) for part in parts] == sizes, names
            assert all(part.dtype == np.uint8 for part in parts)
        assert np.array_equal(picture, before)


def test_every_operation_stands_in_the_docs_with_its_bounds() -> None:
    assert set(VALUES) | {"splitQuadrants"} == set(OPERATIONS)
    for name, row in OPERATIONS.items():
        value = row.value.replace("|", r"\|")
        assert f"| `{name}={value}` | {row.bounds} | {row.does} |" in PAGE
