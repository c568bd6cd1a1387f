"""From how near a picture is looked at, by what is seen of its lines; the network is stood in for."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from spoolfarm.tasks.ocr.detector import MARGIN, Chances
from spoolfarm.tasks.ocr.finder import SIDE, THICK, Finder


class Marking:
    """Marks lines that are *thick* pixels of the picture, and remembers how it was looked at."""

    def __init__(self, thick: float) -> None:
        self.scales: list[float] = []
        self._thick = thick

    def look(self, picture: np.ndarray, scale: float) -> Chances:
        self.scales.append(scale)
        height, width = (round(length * scale) for length in picture.shape[:2])
        values = np.zeros((height + 2 * MARGIN, width + 2 * MARGIN), np.float32)
        for y in np.arange(40, height - 40, 6 * self._thick * scale):
            thick = round(self._thick * scale)
            cv2.rectangle(values, (60, int(y)), (width - 60, int(y) + thick - 1), 0.9, -1)
        return Chances(values, 1 / scale, 1 / scale)


@pytest.mark.parametrize(("thick", "looks"), [(14, 1), (6, 2)])
def test_lines_that_are_thin_on_the_shrunk_picture_are_looked_at_from_nearer(thick: int, looks: int) -> None:
    detector = Marking(thick)
    found = Finder(detector).find(np.full((2000, 1500, 3), 255, np.uint8), None)  # type: ignore[arg-type]
    assert detector.scales[0] == pytest.approx((SIDE - 2 * MARGIN) / 2000)
    assert len(detector.scales) == looks
    if looks > 1:
        assert detector.scales[1] == pytest.approx(min(1.0, THICK / thick), rel=0.35)
    assert found.scale == detector.scales[-1]


def test_whoever_says_the_side_gets_one_look() -> None:
    detector = Marking(6)
    Finder(detector).find(np.full((2000, 1500, 3), 255, np.uint8), 1280)  # type: ignore[arg-type]
    assert len(detector.scales) == 1


@pytest.mark.parametrize(("side", "scale"), [(None, 2.0), (1280, 1.0)])
def test_a_small_picture_is_enlarged_unless_the_side_is_said(side: int | None, scale: float) -> None:
    detector = Marking(12)
    found = Finder(detector).find(np.full((200, 300, 3), 255, np.uint8), side)  # type: ignore[arg-type]
    assert detector.scales == [scale]
    assert found.scale == scale
    assert all(0 <= one.box.cx <= 300 and 0 <= one.box.cy <= 200 for one in found.boxes)


def test_no_other_picture_is_enlarged() -> None:
    detector = Marking(12)
    Finder(detector).at(np.full((200, 330, 3), 255, np.uint8), 2.0)  # type: ignore[arg-type]
    assert detector.scales == [1.0]
