"""The order in which pages of many kinds are read, on made-up lines."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import replace

import pytest

from spoolfarm.tasks.ocr import layout
from spoolfarm.tasks.ocr.box import Box
from spoolfarm.tasks.ocr.page import Line, Word


def line(text: str, left: float, top: float, width: float, height: float = 20) -> Line:
    return Line(Box(left + width / 2, top + height / 2, width, height, 0), text, 1, 1)


def down(text: str, right: float, top: float, length: float, width: float = 30) -> Line:
    """A line that runs down."""
    return Line(Box(right - width / 2, top + length / 2, length, width, 90), text, 1, 1)


def column(name: str, left: float, count: int, *, width: float = 300, top: float = 100, step: float = 26) -> list[Line]:
    """Lines of prose, each 20 high."""
    return [line(f"{name}{row} goes on and on", left, top + step * row, width) for row in range(count)]


def names(name: str, count: int) -> list[str]:
    return [f"{name}{row}" for row in range(count)]


def read(lines: Sequence[Line], **options: bool) -> list[str]:
    shuffled = random.Random(1).sample(list(lines), len(lines))
    return layout.arrange(shuffled, 0, "auto", **options)[1].split("\n")


def first_words(lines: Sequence[Line]) -> list[str]:
    return [row.split(" ")[0] for row in read(lines)]


def test_a_title_over_the_middle_column_comes_first() -> None:
    columns = [one for name, left in (("a", 0), ("b", 340), ("c", 680)) for one in column(name, left, 12)]
    expected = [word for name in "abc" for word in names(name, 12)]
    assert first_words([line("Title", 400, 30, 180, 44), *columns]) == ["Title", *expected]


@pytest.mark.parametrize("count", [3, 4, 5])
def test_narrow_columns_are_read_one_by_one_below_a_title_that_spans_them(count: int) -> None:
    columns = [one for index in range(count) for one in column("abcde"[index], 170 * index, 15, width=140)]
    expected = [word for name in "abcde"[:count] for word in names(name, 15)]
    assert first_words([line("Title", 20, 30, 170 * count - 40, 44), *columns]) == ["Title", *expected]


def test_a_running_head_comes_before_the_columns_and_a_page_number_after_them() -> None:
    columns = column("a", 0, 20) + column("b", 340, 20)
    head, number = [line("Chapter", 0, 40, 120), line("17", 610, 40, 30)], line("Page", 600, 680, 40)
    assert first_words([*head, *columns, number]) == ["Chapter\t17", *names("a", 20), *names("b", 20), "Page"]


def test_the_head_of_a_letter_is_no_part_of_the_columns_below_it() -> None:
    head = [line("Company", 0, 0, 200, 30), line("Street", 420, 0, 80), line("City", 420, 24, 60)]
    columns = column("a", 0, 20, top=140) + column("b", 340, 20, top=140)
    found = first_words([*head, *columns])
    assert set(found[:2]) == {"Company\tStreet", "City"}
    assert found[2:] == names("a", 20) + names("b", 20)


def test_prose_beside_a_table_is_read_after_or_before_it_as_a_whole() -> None:
    table = [line(f"{row}{cell}", 120 * cell, 100 + 31 * row, 60) for row in range(10) for cell in range(3)]
    found = read([*table, *column("note", 420, 12)])
    assert found == ["\t".join(f"{row}{cell}" for cell in range(3)) for row in range(10)] + [
        f"note{row} goes on and on" for row in range(12)
    ]


def test_a_paragraph_across_the_page_parts_the_columns_above_it_from_those_below() -> None:
    above = column("a", 0, 8) + column("b", 340, 8)
    across = [line(f"wide{row}", 0, 340 + 26 * row, 640) for row in range(8)]
    below = column("c", 0, 8, top=600) + column("d", 340, 8, top=600)
    wide = [f"wide{row}" for row in range(8)]
    expected = names("a", 8) + names("b", 8) + wide + names("c", 8) + names("d", 8)
    assert first_words([*above, *across, *below]) == expected


def test_two_lines_taken_for_one_do_not_tear_their_columns_apart() -> None:
    columns = column("a", 0, 20) + column("b", 320, 20)
    kept = [one for one in columns if not one.text.startswith(("a9", "b9"))]
    found = first_words([*kept, line("merged", 0, 100 + 26 * 9, 620)])
    assert found == [*names("a", 9), "merged", *names("a", 20)[10:], *names("b", 9), *names("b", 20)[10:]]


def test_two_lines_taken_for_one_are_parted_at_the_gutter_between_their_words() -> None:
    columns = column("a", 0, 20) + column("b", 320, 20)
    kept = [one for one in columns if not one.text.startswith(("a9", "b9"))]
    words = (Word("a9", 0, 0.1), Word("on", 0.1, 0.48), Word("b9", 0.52, 0.6), Word("off", 0.6, 1))
    merged = replace(line("a9 on b9 off", 0, 100 + 26 * 9, 620), words=words)
    placed, text = layout.arrange([*kept, merged], 0, "auto")
    assert [row.split(" ")[0] for row in text.split("\n")] == names("a", 20) + names("b", 20)
    right = next(one for one in placed if one.text == "b9 off")
    assert right.box.corners()[0] == pytest.approx((0.52 * 620, 334))
    assert right.box.w == pytest.approx(0.48 * 620)
    assert [word.text for word in right.words] == ["b9", "off"]
    assert [right.words[0].start, right.words[0].end] == pytest.approx([0, 1 / 6])


def test_a_line_whose_words_run_to_the_left_loses_none_when_it_is_parted() -> None:
    words = (Word("אחת", 0.8, 1), Word("שתיים", 0.55, 0.75), Word("שלוש", 0.25, 0.45), Word("ארבע", 0, 0.2))
    left, right = replace(line("אחת שתיים שלוש ארבע", 0, 100, 600), words=words).parted(0.5)
    assert left is not None
    assert right is not None
    assert (left.text, right.text) == ("שלוש ארבע", "אחת שתיים")
    assert [left.box.cx, left.box.w, right.box.cx, right.box.w] == pytest.approx([135, 270, 465, 270])


def test_words_without_any_width_have_a_place() -> None:
    part, rest = replace(line("a b", 0, 100, 600), words=(Word("a", 0.2, 0.2), Word("b", 0.5, 1))).parted(0.4)
    assert part is not None
    assert rest is not None
    assert (part.text, rest.text) == ("a", "b")
    assert part.box.cx == pytest.approx(120)
    assert part.box.w > 0


@pytest.mark.parametrize(
    ("text", "before", "behind"),
    [
        ("港口的渡轮每天早上出发仓库", "港口的渡轮每天", "早上出发仓库"),
        ("港口的渡轮 每天早上出发仓库", "港口的渡轮 每天", "早上出发仓库"),
        ("unbreakable", "unbreakable", None),
    ],
)
def test_chinese_is_parted_between_its_letters(text: str, before: str, behind: str | None) -> None:
    spans = [match.span() for match in re.finditer(r"\S+", text)]
    words = tuple(Word(text[start:end], start / len(text), end / len(text)) for start, end in spans)
    parts = replace(line(text, 0, 100, 600), words=words).parted(0.54)
    assert [part and part.text for part in parts] == [before, behind]
    assert sum(part.box.w for part in parts if part) == pytest.approx(600, rel=0.1)


def test_a_long_line_that_reaches_across_the_gutter_is_not_parted() -> None:
    columns = column("a", 0, 20) + column("b", 320, 20)
    words = (Word("a9", 0, 0.2), Word("goes", 0.2, 0.6), Word("too", 0.6, 0.85), Word("far", 0.85, 1))
    columns[9] = replace(line("a9 goes too far", 0, 100 + 26 * 9, 380), words=words)
    placed, _ = layout.arrange([one for one in columns if not one.text.startswith("b9")], 0, "auto")
    assert "a9 goes too far" in [one.text for one in placed]


def test_prose_below_a_table_that_leans_is_read_in_its_columns() -> None:
    """In a photograph what is near leans otherwise than what is far."""
    table = [
        line(f"{row}.{cell}", 130 * cell + (0.05 * (100 + 30 * row) if cell == 4 else 0), 100 + 30 * row, 100)
        for row in range(26)
        for cell in range(5)
    ]
    prose = column("a", 0, 10, top=960, width=290) + column("b", 330, 10, top=960)
    found = first_words([*table, *prose])
    assert found[-20:] == names("a", 10) + names("b", 10)


def test_the_pages_of_an_open_book_are_read_one_after_the_other() -> None:
    pages = []
    for name, left, number in (("a", 0, "22"), ("b", 700, "23")):
        pages.append(line(number, left if name == "a" else 1240, 0, 40))
        pages += [
            line(f"{name}{row}.{cell}", left + 190 * cell, 60 + 40 * row, 70) for row in range(8) for cell in range(3)
        ]
    rows = {name: ["\t".join(f"{name}{row}.{cell}" for cell in range(3)) for row in range(8)] for name in "ab"}
    assert read(pages) == ["22", *rows["a"], "23", *rows["b"]]


def test_numbered_lines_of_two_pages_side_by_side_are_read_page_by_page() -> None:
    words = "Q. Where were you at the time?", "A. At home, as I said before.", "Q. Alone?", "A. With my brother."
    pages = [
        one
        for page, left in enumerate((0, 420))
        for row in range(24)
        for one in (
            line(str(row + 1), left, 100 + 26 * row, 24),
            line(f"{page} {words[row % 4]}", left + 50, 100 + 26 * row, 11 * len(words[row % 4])),
        )
    ]
    expected = [f"{row + 1}\t{page} {words[row % 4]}" for page in range(2) for row in range(24)]
    assert read(pages) == expected


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (["Name:", "Date of birth:", "City:", "Telephone:"], ["Anna Berg", "12.03.1984", "Oslo", "555 0182"]),
        (["Milk 1 l", "Brown bread, sliced", "TOTAL", "CASH"], ["1.20", "12.80", "14.00", "20.00"]),
        (["1", "2", "3", "4"], ["Q. Where were you that night?", "A. At home.", "Q. Was anybody with you?", "A. No."]),
        (["Winter", "How it began", "The long way home", "Notes"], ["1", "12", "118", "240"]),
    ],
    ids=["form", "receipt", "deposition", "contents"],
)
def test_what_stands_left_and_right_on_one_level_is_one_row(left: list[str], right: list[str]) -> None:
    lines = [line(text, 0, 100 + 28 * row, 11 * len(text)) for row, text in enumerate(left)]
    lines += [line(text, 300, 102 + 28 * row, 11 * len(text)) for row, text in enumerate(right)]
    assert read(lines) == [f"{one}\t{other}" for one, other in zip(left, right, strict=True)]


def test_a_cell_of_several_lines_is_read_whole_in_its_row() -> None:
    lines = []
    for row, top in enumerate((100, 190, 280)):
        lines += [line(f"item{row}", 0, top + 12, 80), line(f"price{row}", 420, top + 12, 80)]
        lines += [line(f"long{row}", 150, top, 200), line(f"text{row}", 150, top + 24, 120)]
    assert read(lines) == [f"item{row}\tlong{row} text{row}\tprice{row}" for row in range(3)]


def test_a_note_beside_prose_is_not_mixed_into_its_lines() -> None:
    note = [line(f"note{row}", 700, 139 + 26 * row, 70) for row in range(4)]
    found = first_words([*column("a", 0, 10, width=640), *note])
    assert [word for word in found if word.startswith("note")] == names("note", 4)
    start = found.index("note0")
    assert found[start : start + 4] == names("note", 4)


def test_vertical_lines_are_read_from_right_to_left_below_their_heading() -> None:
    lines = [down(f"{text}文字列縦書", 600 - 45 * row, 100, 400) for row, text in enumerate("一二三四五六")]
    found = read([line("見出し", 200, 20, 200, 40), line("7", 300, 560, 20), *lines])
    assert [text[0] for text in found] == ["見", *"一二三四五六", "7"]


def test_paragraphs_are_put_on_one_line_each_and_parted_words_joined() -> None:
    rows = (
        "The ferry leaves the north quay and re-",
        "turns after noon; the Anglo-",
        "Saxon goods (wool-",
        "and silk-bales) stay.",
    )
    lines = [line(text, 0, 100 + 26 * row, 400) for row, text in enumerate(rows)]
    table = [line(text, left, 320, 90) for text, left in (("Total", 0), ("12.00", 300))]
    assert read([*lines, *table], join=True) == [
        "The ferry leaves the north quay and returns after noon; the Anglo-Saxon goods (wool- and silk-bales) stay.",
        "Total\t12.00",
    ]


def test_chinese_paragraphs_are_joined_without_blanks() -> None:
    lines = [line(text, 0, 100 + 26 * row, 400) for row, text in enumerate(("春天河水上涨，", "道路封闭。"))]
    assert read(lines, join=True) == ["春天河水上涨，道路封闭。"]
