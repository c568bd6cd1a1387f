"""Which way pages of short cells and vertical lines are read, with the real models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from benchmarks import pages
from spoolfarm.tasks.ocr import turn
from spoolfarm.tasks.ocr.box import Box
from spoolfarm.tasks.ocr.detector import TextBox
from spoolfarm.tasks.ocr.page import Line
from spoolfarm.tasks.ocr.reader import Reader

SANS, CHINESE = "DejaVu Sans", "Noto Sans CJK SC"


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader()


@dataclass(frozen=True)
class Grid:
    """A table of cells that are parted by blanks, the first column *first* pixels wide, the others *width*."""

    rows: Sequence[str]
    family: str = SANS
    size: int = 28
    width: int = 70
    first: int = 70

    def drawn(self) -> pages.Page:
        cells = [row.split() for row in self.rows]
        most = max(map(len, cells))
        sheet = pages.Sheet(40 + self.first + self.width * most, 40 + 2 * self.size * len(cells))
        face = pages.font(self.family, self.size)
        places = [20, *(20 + self.first + self.width * index for index in range(most - 1))]
        for number, row in enumerate(cells):
            sheet.row(20 + 2 * self.size * number, list(zip(places, row, strict=False)), face)
        return sheet.page("grid")


#: Tables of which no cell, or hardly one, shows by its shape which way it runs.
TABLES = {
    "digits": Grid(["7 3 9 1 4", "2 5 8 4 6", "5 1 7 3 2", "4 9 2 5 7"]),
    "sudoku": Grid(["5 3 7 2 4", "6 1 9 5 8", "4 8 3 7 1", "7 2 6 4 5", "3 4 5 1 9"], size=36, width=72),
    "league": Grid(["Team P W D Pts", "Lyon 4 3 1 10", "Genk 4 2 1 7", "Hull 4 1 0 3"], first=130),
    "answers": Grid(["1. D 11. B", "2. C 12. C", "3. B 13. D", "4. A 14. A"], width=90, first=90),
    "marks": Grid(["姓名 语 数 英", "王小明 9 8 7", "李华 7 9 5", "张伟 8 4 9"], CHINESE, 32, 90, 140),
    "timetable": Grid(["Line 5 6 7 8", "Mo 2 4 5 3", "Sa 1 2 4 5", "Su 1 3 2 4"], first=110),
    "products": Grid(["1 2 3 4 5", "2 4 6 8 10", "3 6 9 12 15", "4 8 12 16 20", "5 10 15 20 25"]),
}


@pytest.mark.parametrize(
    ("table", "rotation"),
    [
        *(("digits", rotation) for rotation in (0, 90, 180, 270)),
        ("sudoku", 90),
        ("league", 180),
        ("answers", 0),
        ("answers", 270),
        ("marks", 0),
        ("marks", 270),
        ("timetable", 0),
        ("products", 90),
    ],
)
def test_a_table_of_short_cells_is_read_in_rows_however_it_is_turned(reader: Reader, table: str, rotation: int) -> None:
    made = TABLES[table].drawn()
    page = reader.read(np.ascontiguousarray(np.rot90(made.picture, -rotation // 90)))
    assert page.rotation == rotation
    assert [row.split() for row in page.text.split("\n")] == [row.split() for row in made.rows]


@pytest.mark.parametrize("text", ["-5", "5", "2", "No", "+3", "人"])
def test_one_short_text_is_upright(reader: Reader, text: str) -> None:
    page = reader.read(Grid([text], CHINESE, 60).drawn().picture)
    assert (page.rotation, page.text) == (0, text)


def test_a_page_of_vertical_chinese_is_upright_and_a_turned_one_is_not(reader: Reader) -> None:
    columns = ("港口的渡轮每天出发", "仓库清点了橙子", "图书馆新买的书籍")
    face = pages.font(CHINESE, 32)
    sheet = pages.Sheet(300, 420)
    for number, column in enumerate(columns):
        for place, letter in enumerate(column):
            sheet.write(220 - 80 * number, 20 + 40 * place, letter, face)
    vertical = reader.read(sheet.page("vertical").picture)
    assert (vertical.rotation, vertical.text) == (0, "\n".join(columns))

    level = pages.Sheet(420, 220)
    for number, row in enumerate(columns):
        level.row(20 + 60 * number, [(30, row)], face)
    turned = reader.read(np.ascontiguousarray(np.rot90(level.page("level").picture, -1)))
    assert (turned.rotation, turned.text) == (90, "\n".join(columns))


def test_a_label_that_runs_up_beside_level_lines_is_read(reader: Reader) -> None:
    label = pages.Sheet(240, 60)
    label.write(20, 10, "Temperature", pages.font(SANS, 30))
    picture = Grid(["Monday 12.5", "Tuesday 13.1", "Friday 9.8"], width=120, first=180).drawn().picture
    side = np.full((picture.shape[0], 60, 3), 255, np.uint8)
    upwards = np.rot90(label.page("label").picture)[: picture.shape[0]]
    side[: upwards.shape[0], :60] = upwards[:, :60]
    page = reader.read(np.hstack((side, picture)))
    assert page.rotation == 0
    assert {"Monday", "Friday"} <= set(page.text.split())


def test_long_boxes_show_their_axis_and_short_ones_do_not() -> None:
    lying = [Box(0, 40 * row, 300, 30, 0) for row in range(4)]
    digits = [Box(40 * cell, 0, 25, 50, 0) for cell in range(6)]
    assert turn.by_shape(lying) == 0
    assert turn.by_shape([box.turned(1) for box in lying]) == 1
    assert turn.by_shape(digits) is None
    assert turn.by_shape([*digits, Box(0, 0, 12, 62, 0)]) is None  # an I among them
    assert turn.by_shape([]) == 0


def saying(*said: tuple[str, float]) -> turn.Read:
    """Reads every box the same: what it says when its text runs 0, 1, 2 and 3 quarters further."""
    return lambda one, quarters: Line(one.box.turned(quarters), *said[quarters % 4], one.score)


NOTHING = ("", 0.0)


@pytest.mark.parametrize(
    ("upside_down", "read"),
    [(("ミUXU", 0.8), "ゴメン"), (("ロメン", 0.8), "ロメン"), (("BARX", 0.9), "BARX")],
    ids=["a few strokes taken for letters", "signs that read better", "letters that read much better"],
)
def test_signs_are_turned_over_into_letters_only_where_these_read_much_better(
    upside_down: tuple[str, float], read: str
) -> None:
    balloon = TextBox(Box(50, 200, 80, 330, 0), 0.8)
    assert turn.either(balloon, 1, saying(NOTHING, ("ゴメン", 0.7), NOTHING, upside_down)).text == read


def test_one_sign_is_no_reading_of_a_box_three_times_as_high_as_wide() -> None:
    column = TextBox(Box(50, 200, 100, 330, 0), 0.8)
    (line,) = turn.lines([column], 0, saying(("常", 0.7), ("ピンポーン", 0.6), NOTHING, NOTHING))
    assert line.text == "ピンポーン"
    (stroke,) = turn.lines([column], 0, saying(("I", 0.7), ("一一", 0.6), NOTHING, NOTHING))
    assert stroke.text == "I"


@pytest.mark.parametrize(("score", "sure"), [(0.8, True), (0.6, False)])
def test_lines_of_a_turned_page_are_relied_on_where_most_are_seen_well(score: float, sure: bool) -> None:
    standing = [TextBox(Box(100 + 40 * number, 300, 30, 400, 0), score) for number in range(5)]
    assert turn.is_sure([*standing, TextBox(Box(400, 300, 30, 400, 0), 0.7)], 1) is sure
    assert not turn.is_sure(standing, 0)


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_a_box_lies_where_its_page_is_turned_to(quarters: int) -> None:
    picture = np.zeros((60, 100), np.uint8)
    picture[10:20, 30:70] = 1
    ys, xs = np.nonzero(np.rot90(picture, -quarters))
    box = Box(50, 15, 40, 10, 0).with_page(quarters, 100, 60)
    assert (box.cx, box.cy) == pytest.approx((xs.mean() + 0.5, ys.mean() + 0.5))
    assert (box.w, box.h) == (40, 10)
    assert (box.angle - 90 * quarters) % 360 == 0
