"""Pictures taken in poor light, drawn and made darker."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import pages
from spoolfarm.tasks.ocr import light
from spoolfarm.tasks.ocr.box import Box
from spoolfarm.tasks.ocr.detector import TextBox
from spoolfarm.tasks.ocr.reader import Reader


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader()


def drawn(paper: int, ink: int) -> tuple[pages.Page, list[TextBox]]:
    """Three lines, and their boxes."""
    made = pages.Sheet(860, 180, paper, ink)
    for number, row in enumerate(pages.ENGLISH[:3]):
        made.row(20 + 46 * number, [(30, row)], pages.font("DejaVu Sans", 20))
    boxes = [TextBox(Box(430, 34 + 46 * number, 780, 34, 0), 0.9) for number in range(3)]
    return made.page("dim"), boxes


def test_a_page_in_poor_light_is_made_bright_and_reads(reader: Reader) -> None:
    page, boxes = drawn(36, 20)
    bright = light.brightened(page.picture, boxes)
    assert bright is not None
    assert np.median(bright) == pytest.approx(light.BRIGHT, abs=2)
    assert pages.letters(reader.read(page.picture).text) == pages.letters(page.text)


@pytest.mark.parametrize(("paper", "ink"), [(255, 20), (150, 20), (20, 255)], ids=["white", "grey", "light letters"])
def test_what_is_bright_enough_stays_as_it_is(paper: int, ink: int) -> None:
    page, boxes = drawn(paper, ink)
    assert light.brightened(page.picture, boxes) is None


def test_a_picture_without_lines_stays_as_it_is() -> None:
    assert light.brightened(np.zeros((50, 50, 3), np.uint8), []) is None
