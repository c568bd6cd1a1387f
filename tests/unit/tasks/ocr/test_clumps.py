"""Clumps of lines that stand as they like, such as speech balloons, on made-up lines."""

from __future__ import annotations

import random
from collections.abc import Sequence

from spoolfarm.tasks.ocr import layout
from spoolfarm.tasks.ocr.box import Box
from spoolfarm.tasks.ocr.page import Line


def centred(words: Sequence[str], cx: float, top: float, step: float = 18) -> list[Line]:
    """Lines 20 high, in their middle below each other."""
    return [Line(Box(cx, top + step * row, 10 * len(word), 20, 0), word, 1, 1) for row, word in enumerate(words)]


def read(*parts: Sequence[Line]) -> list[str]:
    lines = [line for part in parts for line in part]
    return layout.arrange(random.Random(1).sample(lines, len(lines)), 0, "auto")[1].split("\n")


def test_balloons_side_by_side_are_read_one_after_the_other() -> None:
    first = ["WHERE ARE", "THE OTHERS, AND", "THE SERGEANT?"]
    second = ["THEY WENT", "DOWN TO THE RIVER", "AND HAVE NOT", "COME BACK"]
    third = ["LOOK!", "A BOAT IS COMING", "AT LAST"]
    below = ["WE MUST BE", "OFF BEFORE THE TIDE", "TURNS"]
    found = read(centred(first, 120, 100), centred(second, 420, 96), centred(third, 700, 103), centred(below, 300, 300))
    assert found == [*first, *second, *third, *below]


def test_balloons_of_a_comic_are_read_picture_by_picture() -> None:
    above = ["MEANWHILE,", "ON THE OTHER SIDE", "OF THE RIVER"]
    high = ["LOOK", "WHAT THEY HAVE", "DONE!"]
    hanging = ["GOOD", "HEAVENS ABOVE", "US!"]
    beside = ["IT IS A", "TERRIBLE SIGHT", "FOR ALL"]
    upper = ["HEY,", "WHAT HAPPENED", "HERE?"]
    lower = ["WHERE", "ARE ALL THE", "OTHERS?"]
    tall = ["HE DIED", "IN MY ARMS AND I", "COULD DO", "NOTHING TO HELP", "HIM", "AT ALL, FRIEND", "BELIEVE", "ME"]
    last = ["SIR!", "COME HERE AT ONCE,", "PLEASE"]
    found = read(
        centred(above, 160, 60),
        centred(high, 120, 250),
        centred(hanging, 290, 285),  # begins below the middle of those beside it
        centred(beside, 520, 248),
        centred(upper, 130, 420),
        centred(lower, 150, 512),  # stands below a part of the tall one, in the picture before it
        centred(tall, 330, 418),
        centred(last, 560, 422),
    )
    assert found == [*above, *high, *hanging, *beside, *upper, *lower, *tall, *last]


def test_a_table_of_centred_words_is_read_in_rows() -> None:
    columns = [["Name", "Anna Berg", "Carl", "Eva Lindqvist"], ["Town", "Oslo", "Copenhagen", "Bergen"]]
    found = read(*(centred(words, 120 + 300 * at, 100, step=32) for at, words in enumerate(columns)))
    assert found == ["\t".join(row) for row in zip(*columns, strict=True)]


def test_a_table_of_centred_numbers_is_read_in_rows_however_close_they_are() -> None:
    columns = [["1", "10.25", "3", "100000"], ["0.5", "12", "3.75", "11"], ["1994", "7", "0", "2026.5"]]
    found = read(*(centred(words, 120 + 200 * at, 100) for at, words in enumerate(columns)))
    assert found == ["\t".join(row) for row in zip(*columns, strict=True)]
