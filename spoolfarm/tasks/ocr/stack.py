"""The stack: letters or numbers below each other that were taken for one line.

The recogniser knows vertical lines, in which letters lie on their left side, and reads a stack as one. Chinese and
Japanese stacks are lines that are written top down; digits are the cells of a column.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from spoolfarm.tasks.ocr.detector import TextBox
from spoolfarm.tasks.ocr.letters import is_square, mostly_square
from spoolfarm.tasks.ocr.page import Line

#: So many of its letters are read to see how they stand.
LETTERS = 8
#: The box of a letter among them is at most so many times as high as their distance.
AROUND = 1.3
#: Numbers are read one by one when there are so many, and the line reads worse than this.
NUMBERS, DOUBTFUL = 3, 0.92
#: The numbers of a stack read so much better upright than lying on their left side, and its letters so much better than
#: when they lie on their right. Chinese in a box that stands is taken to be upright unless it reads so much worse.
BETTER_NUMBER, BETTER_LETTER, WORSE = 0.1, 0.12, 0.15
#: A column of cells that was taken for one line has at least and at most so many.
FEWEST, MOST = 3, 15
#: Letters of a vertical line are at most so many heights of its box apart; those of cells are further.
DENSE = 1.5

Read = Callable[[TextBox, int], Line]


def is_one(line: Line, read: Read, *, standing: bool) -> bool:
    """Whether the letters of *line* lie on their left side, so that they stand below each other.

    In *standing* boxes Chinese may well be written top down.
    """
    text = "".join(line.text.split())
    if len(text) < 2 or line.box.w < line.box.h:
        return False
    if has_numbers(line):
        as_they_lie, better = 0, BETTER_NUMBER
    elif standing and mostly_square(text):
        as_they_lie, better = 1, -WORSE
    elif FEWEST <= len(text) <= MOST and all(map(may_be_a_cell, text)):
        as_they_lie, better = 1, BETTER_LETTER
    else:
        return False
    chosen = _spread(pieces(line))
    gained = sum(read(one, -1).score - read(one, as_they_lie).score for one in chosen)
    return gained >= better * len(chosen)


def may_be_a_cell(letter: str) -> bool:
    """Whether a letter is of the kind that stands alone in the cells of a table, and about as wide as others of it."""
    return letter.isdecimal() or letter.isupper() or is_square(letter)


def has_numbers(line: Line) -> bool:
    """Whether a line is several numbers that may as well stand below each other."""
    return len(line.words) >= NUMBERS and line.score < DOUBTFUL and all(word.text.isdecimal() for word in line.words)


def is_column(line: Line) -> bool:
    """Whether a stack is a vertical line of text and no column of cells."""
    text = "".join(line.text.split())
    return mostly_square(text) and line.box.w <= DENSE * len(text) * line.box.h


def pieces(line: Line) -> list[TextBox]:
    """The boxes of the numbers of a stack, or of its letters, turned as it is."""
    count = len("".join(line.text.split()))
    spans = (
        [(word.start, word.end) for word in line.words]
        if has_numbers(line)
        else [(number / count, (number + 1) / count) for number in range(count)]
    )
    (left, top), (right, bottom) = line.box.corners()[:2]
    found = []
    for start, end in spans:
        at = (start + end) / 2 - 0.5
        w = (end - start) * line.box.w
        cx, cy = line.box.cx + at * (right - left), line.box.cy + at * (bottom - top)
        h = line.box.h if has_numbers(line) else min(line.box.h, AROUND * w)
        found.append(TextBox(replace(line.box, cx=cx, cy=cy, w=w, h=h), line.det_score))
    return found


def _spread(found: list[TextBox]) -> list[TextBox]:
    """Some of *found* from all along the line."""
    count = min(LETTERS, len(found))
    return [found[int((number + 0.5) * len(found) / count)] for number in range(count)]
