"""Readings of small print whose letters stand too close for the network, on drawn lines."""

from __future__ import annotations

import difflib

import cv2
import pytest

from benchmarks import pages
from spoolfarm.tasks.ocr.box import Box
from spoolfarm.tasks.ocr.detector import TextBox
from spoolfarm.tasks.ocr.pair import Pair
from spoolfarm.tasks.ocr.readings import Readings
from spoolfarm.tasks.ocr.recogniser import Recogniser

TEXT = pages.ENGLISH[1]
SIZE = 30


@pytest.fixture(scope="module")
def recogniser() -> Recogniser:
    return Recogniser(1)


def squeezed(across: float, down: float) -> tuple[pages.Picture, TextBox]:
    """TEXT shrunk more across than down, and its box."""
    face = pages.font("DejaVu Sans", SIZE)
    made = pages.Sheet(1200, 60)
    made.row(12, [(20, TEXT)], face)
    picture = cv2.resize(made.page("line").picture, None, fx=across, fy=down, interpolation=cv2.INTER_AREA)
    width = face.getlength(TEXT)
    box = Box((20 + width / 2) * across, (12 + 0.62 * SIZE) * down, (width + SIZE / 2) * across, 1.7 * SIZE * down, 0)
    return picture.astype("uint8"), TextBox(box, 0.9)


def likeness(text: str) -> float:
    return difflib.SequenceMatcher(None, pages.letters(text), pages.letters(TEXT), autojunk=False).ratio()


@pytest.mark.parametrize("paired", [False, True])
def test_letters_that_stand_close_are_read_from_nearer(recogniser: Recogniser, paired: bool) -> None:
    picture, one = squeezed(0.2, 0.4)
    readings = Readings(picture, Pair(recogniser, recogniser) if paired else recogniser)
    first = readings.line(one, 0)
    assert likeness(first.text) < 0.7
    [nearer] = readings.surer([first])
    assert likeness(nearer.text) > 0.9
    assert nearer.score > first.score
    assert " ".join(word.text for word in nearer.words) == nearer.text


def test_a_line_that_reads_well_is_not_read_again(recogniser: Recogniser) -> None:
    picture, one = squeezed(0.4, 0.4)
    readings = Readings(picture, recogniser)
    line = readings.line(one, 0)
    assert readings.surer([line])[0] is line
