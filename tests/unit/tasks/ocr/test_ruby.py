"""Small kana beside the letters whose reading they tell; on made-up lines."""

from __future__ import annotations

import random

import pytest

from spoolfarm.tasks.ocr import layout
from spoolfarm.tasks.ocr.box import Box
from spoolfarm.tasks.ocr.page import Line

#: Where each of three lines of 40 pixels stands, and each ruby: along the line, and across from the middle of the next.
LINES = [("警察にも", 200), ("先生にも", 200), ("町中の人達に", 300)]
RUBY = [("けいさつ", 0, 50), ("せんせい", 1, 50), ("まちじゅう", 2, 50), ("ひとたち", 2, 180)]


def placed(*, down: bool, ruby_height: float = 20, ruby: bool = True) -> list[Line]:
    """The lines with their ruby, running down from the right to the left, or level."""
    found = []
    for number, (text, length) in enumerate(LINES):
        across = 100 + 70 * number
        found.append(_line(text, length / 2, across, length, 40, down))
    for text, number, along in RUBY if ruby else []:
        found.append(_line(text, along, 100 + 70 * number - 32, 90, ruby_height, down))
    return random.Random(2).sample(found, len(found))


def _line(text: str, along: float, across: float, length: float, height: float, down: bool) -> Line:
    box = Box(500 - across, along, length, height, 90) if down else Box(along, across, length, height, 0)
    return Line(box, text, 1, 1)


@pytest.mark.parametrize("down", [True, False], ids=["vertical", "level"])
def test_ruby_is_told_after_the_lines_that_it_stands_between(down: bool) -> None:
    rows = layout.arrange(placed(down=down), 0, "auto")[1].split("\n")
    assert rows[:3] == [text for text, _ in LINES]
    assert [row.split() for row in rows[3:]] == [["けいさつ"], ["せんせい"], ["まちじゅう", "ひとたち"]]


def test_kana_as_large_as_other_lines_are_no_ruby() -> None:
    rows = layout.arrange(placed(down=True, ruby_height=36), 0, "auto")[1].split("\n")
    assert rows[0] == "けいさつ"


def test_every_line_is_told_once() -> None:
    lines = placed(down=True)
    arranged, _ = layout.arrange(lines, 0, "auto")
    assert sorted(line.text for line in arranged) == sorted(line.text for line in lines)
    assert [line.row for line in arranged] == sorted(line.row for line in arranged)
