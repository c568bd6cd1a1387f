"""Long and large pictures: lines are found at a scale at which their letters can be seen."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import pages
from spoolfarm.tasks.ocr import finder, legible
from spoolfarm.tasks.ocr.detector import LARGEST, MARGIN, tiles
from spoolfarm.tasks.ocr.reader import Picture, Reader

ROWS = ["001 sent at 07:14", "002 read at 08:21", "003 sent at 09:28", "004 read at 10:35", "005 sent at 11:42"]


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader()


def strip() -> Picture:
    """A long screenshot of the width of a phone's, shrunk by half."""
    sheet = pages.Sheet(400, 3600)
    for number, row in enumerate(ROWS):
        sheet.row(300 + 620 * number, [(30, row)], pages.font("DejaVu Sans", 20))
    return sheet.page("strip").picture


@pytest.mark.parametrize("length", [1, LARGEST, LARGEST + 1, 2000, 2304, 2305, 16000])
def test_tiles_take_all_of_a_length_once_and_see_what_is_around_it(length: int) -> None:
    taken: list[int] = []
    for tile in tiles(length):
        assert 0 <= tile.start < tile.end <= length
        assert tile.end - tile.start <= LARGEST
        taken += range(tile.start + tile.kept_from, tile.start + tile.kept_to)
        for kept, end in ((tile.kept_from, tile.start), (tile.end - tile.start + 2 * MARGIN - tile.kept_to, 0)):
            assert kept == 0 or kept > 2 * MARGIN, end
    assert taken == list(range(length + 2 * MARGIN))


def test_a_long_screenshot_is_read_whole_and_says_so_when_it_is_shrunk(reader: Reader) -> None:
    found = reader.read(strip())
    assert found.text.split("\n") == ROWS
    assert "warnings" not in found.record()
    shrunk = reader.read(strip(), side=320)
    assert shrunk.record()["warnings"] == [legible.SHRUNK]


def test_small_labels_of_a_large_plan_are_found(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finder, "CLOSER", 2450)  # which is quicker than in life
    sheet = pages.Sheet(4900, 1300)
    wanted = [f"Room {number + 101}" for number in range(3)]
    for number, label in enumerate(wanted):
        sheet.row(100 + 300 * number, [(150 + 1400 * number, label)], pages.font("DejaVu Sans", 22))
        sheet.draw.rectangle((100 + 1400 * number, 60, 600 + 1400 * number, 1250), outline=0, width=3)
    sheet.row(1100, [(2200, "PLAN")], pages.font("DejaVu Sans", 140))
    found = reader.read(sheet.page("plan").picture)
    assert sorted(line.text for line in found.lines) == ["PLAN", *wanted]


def test_small_letters_of_a_small_picture_are_named(reader: Reader) -> None:
    sheet = pages.Sheet(200, 60)
    sheet.row(20, [(10, "hardly to be read")], pages.font("DejaVu Sans", 5))
    assert reader.read(sheet.page("tiny").picture).warnings == (legible.LOW,)


def test_a_page_as_scanners_make_it_is_seen_in_one_look() -> None:
    assert len(tiles(finder.SIDE - 2 * MARGIN)) == 1
    assert np.ceil(4677 * legible.FAINT) < finder.SIDE, "a page of A4 at 400 dots per inch is not looked at again"
