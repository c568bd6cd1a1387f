"""Lines that bend: the curve of their core, and the cut along it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from benchmarks import pages
from spoolfarm.tasks.ocr.box import Box
from spoolfarm.tasks.ocr.curve import Curve, followed
from spoolfarm.tasks.ocr.reader import Reader
from spoolfarm.tasks.ocr.recogniser import HEIGHT, cut

WIDTH, MIDDLE, THICK = 760, 150, 12


def arc(x: np.ndarray, rise: float = 60) -> np.ndarray:
    """How far below MIDDLE a line is that sags by *rise* pixels."""
    return np.asarray(rise * (0.5 - (2 * x / WIDTH - 1) ** 2))


def picture(rise: float) -> np.ndarray:
    """A line THICK pixels thick, white on black."""
    x = np.arange(30, WIDTH - 30)
    seen = np.zeros((2 * MIDDLE, WIDTH, 3), np.uint8)
    cv2.polylines(seen, [np.stack([x, MIDDLE + arc(x, rise)], 1).round().astype(np.int32)], False, (255,) * 3, THICK)
    return seen


def seen_in(line: np.ndarray) -> tuple[Box, Curve] | None:
    [outline] = cv2.findContours(line[..., 0], cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)[0]
    return followed(outline, Box.of_rect(*cv2.minAreaRect(outline)))


@pytest.mark.parametrize("rise", [0, 4])
def test_a_line_as_straight_as_its_letters_has_no_curve(rise: float) -> None:
    assert seen_in(picture(rise)) is None


def test_a_heap_of_lines_has_no_curve() -> None:
    line = picture(60)
    cv2.rectangle(line, (100, 100), (500, 200), (255,) * 3, -1)
    assert seen_in(line) is None


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_a_line_is_cut_along_its_curve_however_its_text_runs(turns: int) -> None:
    line = np.ascontiguousarray(np.rot90(picture(60), turns))
    found = seen_in(line)
    assert found
    core, curve = found
    assert min(core.w, core.h) == pytest.approx(THICK, abs=3)
    box = Box(core.cx, core.cy, core.w + 20, core.h + 20, core.angle)
    for quarters in (turns % 2, turns % 2 + 2):
        level = cut(line, box.turned(quarters), curve)[:, 100:-100, 0]
        middles = (level * np.arange(HEIGHT)[:, None]).sum(axis=0) / level.sum(axis=0)
        assert np.ptp(middles) < 4
        assert middles.mean() == pytest.approx(HEIGHT / 2, abs=3)


def test_a_curve_turns_with_its_page() -> None:
    curve, along = Curve(0, 100, (-5, 0, 5)), np.array([-30.0, 30.0])
    right, left = (curve.turned(1).beside(Box(0, 0, 100, 10, angle), along) for angle in (90, -90))
    assert right == pytest.approx([-4.5, 4.5])
    assert left == pytest.approx([-4.5, 4.5])
    assert curve.turned(1).beside(Box(0, 0, 100, 10, 0), along) == pytest.approx([0, 0])


def test_a_few_lines_on_an_arc_are_read() -> None:
    sheet = pages.Sheet(WIDTH, 2 * MIDDLE)
    rows = ["The ferry leaves the quay at seven in the morning", "and comes back in the evening before it is dark"]
    for number, row in enumerate(rows):
        sheet.row(100 + 50 * number, [(30, row)], pages.font("DejaVu Serif", 24))
    x, y = np.meshgrid(np.arange(WIDTH, dtype=np.float32), np.arange(2 * MIDDLE, dtype=np.float32))
    places = (y - arc(x)).astype(np.float32)
    bent = cv2.remap(sheet.page("arc").picture, x, places, cv2.INTER_LINEAR, borderValue=(255,) * 3)
    assert Reader().read(bent).text.splitlines() == rows
