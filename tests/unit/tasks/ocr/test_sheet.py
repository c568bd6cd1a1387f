"""Bent pages: the slopes of their lines, and the page laid flat by them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from benchmarks import pages
from spoolfarm.tasks.ocr.box import Box
from spoolfarm.tasks.ocr.reader import Reader
from spoolfarm.tasks.ocr.sheet import BENT, Sheet
from spoolfarm.tasks.ocr.slopes import Slopes

WIDTH, HEIGHT = 720, 560


def bend(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """How far a point of a flat page comes to lie lower in its photograph."""
    return np.asarray(26 * np.sin(x / 260) * (0.4 + y / HEIGHT))


def stripes(*, bent: bool, skew: float = 0.0) -> np.ndarray:
    """Cores of lines, as the detector marks them."""
    cores = np.zeros((HEIGHT, WIDTH), np.uint8)
    x = np.arange(40, WIDTH - 40)
    for y in range(60, HEIGHT - 60, 40):
        lower = y + skew * x + (bend(x, np.full_like(x, y)) if bent else 0)
        cv2.polylines(cores, [np.stack([x, lower], 1).round().astype(np.int32)], False, 1, 8)
    return cores


def slopes(cores: np.ndarray) -> Slopes:
    return Slopes.of(cores, 0, 1.0, 1.0)


@pytest.mark.parametrize("skew", [0.0, 0.06])
def test_a_flat_page_is_not_bent_even_when_it_is_askew(skew: float) -> None:
    assert slopes(stripes(bent=False, skew=skew)).bend < BENT / 2


@pytest.mark.parametrize("standing", [False, True])
def test_a_bent_page_is_laid_flat(standing: bool) -> None:
    cores = stripes(bent=True)
    if standing:
        cores = np.ascontiguousarray(cores.T)
    told = slopes(cores)
    assert told.bend > BENT
    assert told.standing == standing
    flat = Sheet.of(np.repeat(cores[..., None], 3, axis=2), told).picture[..., 0]
    assert slopes(np.ascontiguousarray(flat)).bend < told.bend / 5


def test_a_second_look_flattens_what_the_first_has_left() -> None:
    cores = stripes(bent=True)
    picture = np.repeat(cores[..., None], 3, axis=2)
    first = Sheet.of(picture, slopes(cores))
    left = slopes(np.ascontiguousarray(first.picture[..., 0]))
    second = Sheet.of(picture, left, first)
    assert slopes(np.ascontiguousarray(second.picture[..., 0])).bend <= left.bend


def test_a_box_of_the_flat_page_lies_where_its_line_is_seen() -> None:
    sheet = Sheet.of(np.repeat(stripes(bent=True)[..., None], 3, axis=2), slopes(stripes(bent=True)))
    flat = sheet.picture[..., 0]
    x = 500
    for y in np.flatnonzero(np.diff(flat[:, x].astype(int)) > 0) + 4:
        box = sheet.bent(Box(x, float(y), 40, 20, 0))
        middle = np.flatnonzero(stripes(bent=True)[:, round(box.cx)])
        assert np.abs(middle - box.cy).min() <= 3
        assert box.angle == pytest.approx(
            np.degrees(np.arctan(bend(np.array([x + 5]), y)[0] - bend(np.array([x - 5]), y)[0]) / 10), abs=4
        )


def test_too_few_lines_tell_of_no_bend() -> None:
    cores = np.zeros((80, 200), np.uint8)
    cv2.line(cores, (10, 20), (190, 60), 1, 6)
    assert slopes(cores).bend == 0
    assert slopes(np.zeros((80, 200), np.uint8)).thickness == 0


def test_a_bent_page_is_read_and_its_lines_lie_where_they_are_seen() -> None:
    sheet = pages.Sheet(WIDTH, HEIGHT)
    for number, row in enumerate(pages.ENGLISH[:11]):
        sheet.row(40 + 44 * number, [(24, row[:54])], pages.font("DejaVu Serif", 19))
    page = sheet.page("bent")
    x, y = np.meshgrid(np.arange(WIDTH, dtype=np.float32), np.arange(HEIGHT, dtype=np.float32))
    picture = cv2.remap(page.picture, x, (y - bend(x, y)).astype(np.float32), cv2.INTER_LINEAR, borderValue=(255,) * 3)
    read = Reader().read(picture)
    assert pages.edits(pages.letters(read.text), pages.letters(page.text)) <= 0.02 * len(pages.letters(page.text))
    assert max(abs(line.box.angle) for line in read.lines) > 1
    again = [Reader().line(picture, line.box)[0] for line in read.lines[3:5]]
    assert [pages.letters(text)[:12] for text in again] == [pages.letters(line.text)[:12] for line in read.lines[3:5]]
