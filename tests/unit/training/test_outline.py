"""Outlines: the mask that each way to write one means."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as pycoco

from spoolfarm.errors import FarmError
from spoolfarm.tasks.segment import rle
from spoolfarm.training.outline import outline
from spoolfarm.training.samples import Array

# pycocotools' own way to make arrays, which NumPy 2 tolerates
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

#: Ways to write one triangle.
TRIANGLE: list[Any] = [
    [[5, 5, 25, 5, 5, 20]],
    [5, 5, 25, 5, 5, 20],
    [[5, 5], [25, 5], [5, 20]],
    [[[5, 5], [25, 5], [5, 20]]],
    [[5, 5, 25, 5, 5, 20], [1, 1]],
]


@pytest.fixture(scope="module")
def masks() -> list[Array]:
    """Random masks of many sizes: noise, nothing, everything, and boxes that touch the border."""
    rng = np.random.default_rng(8)
    made = []
    for number in range(120):
        height, width = rng.integers(1, 50, 2)
        mask = (rng.random((height, width)) < (0.0, 0.05, 0.5, 1.0)[number % 4]).astype(np.uint8)
        if number % 8 > 3:
            mask[:] = 0
            mask[height // 3 : height // 2 + 1, width // 4 :] = 1
        made.append(mask)
    return made


def test_run_lengths_are_read_as_numbers_as_cocos_text_and_as_the_farm_answers_them(masks: list[Array]) -> None:
    for mask in masks:
        text = pycoco.encode(np.asfortranarray(mask))["counts"]
        lengths = rle.expand(text)
        assert rle.compress(lengths) == text
        for counts in (lengths.tolist(), [float(each) for each in lengths], text.decode(), _base64(text)):
            found = outline({"size": list(mask.shape), "counts": counts})
            assert found is not None
            assert (found.mask(*mask.shape) == mask).all()
            assert found.area(*mask.shape) == mask.sum()


def _base64(text: bytes) -> str:
    return base64.b64encode(text).decode()


@pytest.mark.parametrize("written", TRIANGLE, ids=str)
def test_a_polygon_is_read_flat_nested_and_in_pairs(written: Any) -> None:
    found = outline(written)
    assert found is not None
    mask = found.mask(30, 40)
    assert [mask[8, 8], mask[6, 20], mask[18, 20]] == [1, 1, 0]
    assert found.area(30, 40) == mask.sum() == pytest.approx(150, abs=20)


def test_parts_are_one_object() -> None:
    found = outline([[2, 2, 12, 2, 12, 12, 2, 12], [20, 2, 30, 2, 30, 12, 20, 12], [2, 2, 8, 2, 8, 8, 2, 8]])
    assert found is not None
    assert found.area(30, 40) == 200, "what two parts cover counts once"


def test_what_reaches_out_a_little_is_cut_at_the_border() -> None:
    found = outline([[-2, -1, 10, -1, 10, 31, -2, 31]])
    assert found is not None
    assert found.area(30, 40) == 10 * 30
    assert found.mask(30, 40)[:, :10].all()


@pytest.mark.parametrize(
    ("polygon", "reason"),
    [
        ([-20, 0, 10, 0, 10, 20], "reaches to x = -20, and the picture is 40 pixels wide"),
        ([0, 0, 30, 0, 30, 38], "reaches to y = 38, and the picture is 30 pixels high"),
        ([300, 0, 310, 0, 310, 20], "reaches to x = 310"),
        ([0, 0, 1e12, 0, 5, 5], "reaches to x = 1e[+]12"),
    ],
)
def test_what_reaches_far_out_is_refused(polygon: list[float], reason: str) -> None:
    found = outline([polygon])
    assert found is not None
    with pytest.raises(FarmError, match=reason):
        found.mask(30, 40)


def test_run_lengths_of_another_picture_are_refused() -> None:
    found = outline({"size": [40, 30], "counts": [0, 1200]})
    assert found is not None
    with pytest.raises(FarmError, match="those of a picture of 30x40 pixels, and the picture has 40x30"):
        found.area(30, 40)
    huge = outline({"size": [2**40, 2**12], "counts": [2**52]})
    assert huge is not None
    with pytest.raises(FarmError, match="picture of 4096x1099511627776"):
        huge.mask(30, 40)


@pytest.mark.parametrize("text", [b"", b"\x00", b"p", b"P", b"\xff" * 40, b"o" * 40 + b"0"])
def test_text_that_is_no_run_lengths_is_said_to_be_none(text: bytes) -> None:
    with pytest.raises(ValueError, match="run length"):
        rle.expand(text)
