"""Gaps between the letters of a line, on drawn lines that run down or across, dark or light, straight or turned."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from spoolfarm.tasks.ocr import gaps
from spoolfarm.tasks.ocr.box import Box
from spoolfarm.tasks.ocr.page import Line

#: Pixels: a letter, the white between two, and the height of the box.
LETTER, BETWEEN, HIGH = 24, 5, 34


def drawn(letters: int, white: dict[int, int], ruled: bool = False) -> np.ndarray:
    """A line of boxes for letters, with so many pixels more of *white* before some of them, maybe a stroke in it."""
    picture = np.full((HIGH, 20 + letters * (LETTER + BETWEEN) + sum(white.values()) + 20, 3), 255, np.uint8)
    x = 20
    for letter in range(letters):
        if ruled and letter in white:
            middle = x + (white[letter] - BETWEEN) // 2
            cv2.line(picture, (middle, 0), (middle, HIGH), (0, 0, 0), 2)
        x += white.get(letter, 0)
        cv2.rectangle(picture, (x, 5), (x + LETTER, HIGH - 5), (0, 0, 0), 3)
        cv2.line(picture, (x, HIGH // 2), (x + LETTER, HIGH // 2), (0, 0, 0), 3)
        x += LETTER + BETWEEN
    return picture


def found(picture: np.ndarray) -> list[float]:
    """Its gaps in pixels from its left."""
    height, width = picture.shape[:2]
    line = Line(Box(width / 2, height / 2, width, height, 0), "", 1, 1)
    return [at * width for at in gaps.places(picture, line)]


def middle(letter: int, white: int) -> float:
    """The middle of the first white before a *letter*."""
    return 20 + letter * (LETTER + BETWEEN) + (white - BETWEEN) / 2


@pytest.mark.parametrize("ruled", [False, True], ids=["white", "ruled"])
@pytest.mark.parametrize("light", [False, True], ids=["dark", "light"])
def test_a_gap_as_wide_as_half_a_letter_is_found_with_a_ruling_in_it_or_none(ruled: bool, light: bool) -> None:
    picture = drawn(12, {5: 20}, ruled)
    assert found(255 - picture if light else picture) == pytest.approx([middle(5, 20)], abs=2)


def test_letters_at_their_common_distance_have_no_gap() -> None:
    assert found(drawn(12, {})) == []


def test_white_at_the_ends_is_no_gap() -> None:
    picture = drawn(12, {})
    assert found(np.pad(picture, ((0, 0), (30, 30), (0, 0)), constant_values=255)) == []


def test_gaps_of_a_line_that_runs_down_are_counted_along_its_text() -> None:
    picture = drawn(12, {3: 24})
    height, width = picture.shape[:2]
    down = np.ascontiguousarray(np.rot90(picture, 3))
    line = Line(Box(height / 2, width / 2, width, height, 90), "", 1, 1)
    assert [at * width for at in gaps.places(down, line)] == pytest.approx([middle(3, 24)], abs=2)
