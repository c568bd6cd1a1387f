"""Marks and small kana of vertical lines, which the network alone takes for nothing; and where there are none."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import numpy as np
import pytest

from benchmarks import pages
from spoolfarm.tasks.ocr.marks import Marks
from spoolfarm.tasks.ocr.reader import Reader

FAMILY, SIZE = "Noto Serif CJK JP", 24
#: How brackets look in vertical lines, and by how much of a letter other marks stand further to the right and above.
STANDING = {"「": "﹁", "」": "﹂", "（": "︵", "）": "︶"}
AWAY = {"、": 0.6, "。": 0.6, "っ": 0.1}

VERTICAL = (
    "長期的な大気中の水蒸気の増加が、降水量を",
    "まだ生産が始まったばかりで、県内のみの",
    "影響は毎年生じています。このほか地球",
    "地域の「津軽の桃」を取得しました。市場",
    "気候変動（夏季の低温）に起因する内部の",
)


def drawn(lines: Sequence[str], family: str = FAMILY) -> np.ndarray:
    sheet = pages.Sheet(60 + 44 * len(lines), 60 + SIZE * max(map(len, lines)))
    face = pages.font(family, SIZE)
    for number, line in enumerate(lines):
        for place, letter in enumerate(line):
            away = AWAY.get(letter, 0) * SIZE
            x, y = 30 + 44 * (len(lines) - 1 - number), 30 + SIZE * place
            sheet.write(x + away, y - away, STANDING.get(letter, letter), face)
    return sheet.page("vertical").picture


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader()


def test_vertical_lines_are_read_with_their_marks(reader: Reader) -> None:
    text = unicodedata.normalize("NFKC", reader.read(drawn(VERTICAL), quality="best").text)
    assert text.split("\n") == [unicodedata.normalize("NFKC", line) for line in VERTICAL]


def test_vertical_lines_are_read_with_the_marks_that_end_them(reader: Reader) -> None:
    lines = ("長期的な大気中の水蒸気の増加が、", "このことにも地球", "また気温の上昇に伴っ")
    text = reader.read(drawn(lines, "Noto Sans CJK JP"), quality="best").text
    assert text.split("\n") == list(lines)


def test_no_mark_is_read_where_a_letter_was_left_out(reader: Reader) -> None:
    lines = ("長期的な大気中　水蒸気の増加", "山田　太郎　鈴木次郎　内部")
    text = reader.read(drawn(lines), quality="best").text
    assert text.split("\n") == ["".join(line.split()) for line in lines]


#: The first character stands for nothing, as the network's does, the last for a blank.
CHARACTERS = ["", "山", "水", "、", "。", " "]


def steps(*letters: tuple[int, int], length: int) -> np.ndarray:
    """Chances of CHARACTERS at so many steps: nothing, but for *letters* at theirs."""
    chances = np.full((length, len(CHARACTERS)), 1e-7)
    chances[:, 0] = 1
    for step, letter in letters:
        chances[step, 0], chances[step, letter] = 0.01, 0.99
    return chances


def read(chances: np.ndarray) -> str:
    best = chances.argmax(axis=1)
    put = Marks(CHARACTERS).put(best, chances, np.flatnonzero(best))
    return "".join(CHARACTERS[letter] for letter in put[np.flatnonzero(put)])


LINE = ((2, 1), (5, 2), (8, 1), (14, 2), (17, 1))


def test_the_likeliest_mark_is_put_into_a_gap_as_wide_as_a_letter() -> None:
    chances = steps(*LINE, length=20)
    chances[11, 3], chances[11, 4] = 0.01, 0.001
    assert read(chances) == "山水山、水山"


@pytest.mark.parametrize(("rival", "put"), [("火", False), ("\u3000", False), ("°", True)])
def test_a_mark_has_other_letters_and_paper_for_rivals_and_no_other_signs(rival: str, put: bool) -> None:
    chances = np.hstack((steps(*LINE, length=20), np.full((20, 1), 1e-4)))
    chances[11, 3] = 1e-5
    best = chances.argmax(axis=1)
    marks = Marks([*CHARACTERS, rival])
    assert bool(marks.put(best, chances, np.flatnonzero(best))[11] == 3) is put


@pytest.mark.parametrize(("step", "text"), [(0, "、山水山水山"), (19, "山水山水山、")])
def test_a_mark_is_put_at_an_end_where_it_is_likelier_than_paper_alone_makes_it(step: int, text: str) -> None:
    line = ((2, 1), (5, 2), (8, 1), (11, 2), (14, 1))
    chances = steps(*line, length=20)
    chances[step, 3] = 0.001
    assert read(chances) == "山水山水山"
    chances[step, 3] = 0.05
    assert read(chances) == text


def test_a_line_that_is_hardly_read_tells_nothing_of_its_ends() -> None:
    chances = steps((2, 1), (5, 2), (8, 1), (11, 2), (14, 1), length=20)
    chances[chances == 0.99] = 0.7
    chances[19, 3] = 0.05
    assert read(chances) == "山水山水山"


def test_no_mark_is_put_beside_another() -> None:
    chances = steps((2, 1), (5, 2), (8, 4), (14, 2), (17, 1), length=20)
    chances[11, 3] = 0.01
    assert read(chances) == "山水。水山"


def test_letters_that_stand_close_have_no_mark_between_them() -> None:
    chances = steps((2, 1), (5, 2), (8, 1), (12, 2), (15, 1), length=20)
    chances[10, 3] = 0.4
    assert read(chances) == "山水山水山"
