"""The turn: which way the text of a page runs, and each of its lines.

Long boxes show whether their text is level or not, and which end is up is seen from how well a few of them read. Short
boxes show nothing, a digit is taller than wide: of these a sample is read in all four turns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from statistics import median

from spoolfarm.tasks.ocr.box import Box
from spoolfarm.tasks.ocr.detector import TextBox
from spoolfarm.tasks.ocr.letters import is_square, mostly_square
from spoolfarm.tasks.ocr.page import Line

#: How many times as long as wide a box is that is likely to hold several letters, that surely does, and that does
#: whatever letter it might be: a 1 or an I comes to three.
LONG, SURELY, CLEARLY = 1.5, 3.0, 5.0
#: Boxes thinner than this part of the others hold a stroke, 一 or I.
STROKE = 0.5
#: Long boxes that lie outweigh those that stand, or the other way round, when they are so many times as long in all,
#: and speak for the short ones when they come to this part of them.
OUTWEIGH, SPEAK = 2.0, 0.5
#: So many of the longest boxes are read to see which end is up, and so many boxes in all four turns.
PROBES, SAMPLE = 5, 12
#: A line read with less than this score is read again upside down. Upright lines rarely score less, others never more.
UNSURE = 0.88
#: The second reading must score this much better to be believed.
BETTER = 0.05
#: The widest a letter may be, in heights, and a Chinese one.
WIDEST, WIDEST_SQUARE = 1.4, 2.0
#: How much a turn gains by letters that read when they lie on their left side, as the recogniser knows them from
#: vertical lines: at the right turn, one letter reads well both upright and so.
LYING_LETTER = 0.5
#: A page is taken to be upright unless another turn reads this many times as well.
PRIOR = 1.05
#: A box across the page's lines holds one letter when it is at most so many times as long as the lines are high.
ONE_LETTER = 1.6
#: So many letters each of so many lines show whether Chinese that runs down is vertical or turned.
LETTERS, LINES = 3, 3
#: The box of a letter among them is at most so many times as high as their distance.
AROUND = 1.3

#: Reads a box with its text taken to run a number of quarters further clockwise.
Read = Callable[[TextBox, int], Line]


def of_page(found: Sequence[TextBox], read: Read) -> int:
    """By how many quarters the lines of the page with the boxes *found* run clockwise of level."""
    axis = by_shape([one.box for one in found])
    if axis is None:
        return asked(found, read)
    along = [one for one in longest(found) if stands(one.box) == (axis == 1)]
    lines = [either(one, axis, read) for one in along[:PROBES]]
    over = sum(line.box.w for line, one in zip(lines, along, strict=False) if line.box != one.box.turned(axis))
    return axis + 2 if 2 * over > sum(line.box.w for line in lines) else axis


def by_shape(boxes: Sequence[Box]) -> int | None:
    """0 when the long ones of *boxes* lie, 1 when they stand, None when there are too few to tell."""
    if not boxes:
        return 0
    thin = STROKE * median(min(box.w, box.h) for box in boxes)
    lying = [box.w for box in boxes if box.w >= SURELY * box.h]
    standing = [box.h for box in boxes if box.h >= SURELY * box.w]
    axis = int(sum(standing) > sum(lying))
    more, less = (sum(standing), sum(lying)) if axis else (sum(lying), sum(standing))
    short = sum(max(box.w, box.h) for box in boxes) - more - less
    clear = any(ratio(box) >= CLEARLY and min(box.w, box.h) >= thin and stands(box) == (axis == 1) for box in boxes)
    return axis if clear and more >= OUTWEIGH * less and more >= SPEAK * short else None


def asked(found: Sequence[TextBox], read: Read) -> int:
    """The turn in which a sample of *found* reads best."""
    told = [0.0] * 4
    for one in sample(found):
        worth = [0.0] * 4
        along = int(stands(one.box))
        for quarters in (along, along + 1, along + 3, along + 2):
            opposite = quarters == along + 2
            if opposite and ratio(one.box) >= SURELY and read(one, along).score >= UNSURE:
                continue  # a long line costs time, and this one stands well
            worth[quarters % 4] = letters_read(read(one, quarters))
        for quarters in range(4):
            told[quarters] += worth[quarters] + LYING_LETTER * worth[(quarters + 1) % 4]
    told[0] *= PRIOR
    return max(range(4), key=lambda quarters: told[quarters])


def sample(found: Sequence[TextBox]) -> list[TextBox]:
    """The longest boxes of *found*, and some of the others from all over the page."""
    ordered = longest(found)
    others = [one for one in found if one not in ordered[:PROBES]]
    count = SAMPLE - PROBES
    step = max(1.0, len(others) / count)
    return ordered[:PROBES] + [others[int(step * number)] for number in range(min(count, len(others)))]


def letters_read(line: Line) -> float:
    """How many letters were read, each as sure as the line is; none when the box has another shape than they."""
    text = "".join(line.text.split())
    widest = sum(WIDEST_SQUARE if is_square(letter) else WIDEST for letter in text)
    return len(text) * line.score if line.box.w <= widest * line.box.h else 0.0


def lines(found: Sequence[TextBox], page: int, read: Read) -> list[Line]:
    """Read *found* on a page whose lines run *page* quarters clockwise of level; some may run another way."""
    across = [one.box.turned(page) for one in found]
    height = median(box.h for box in across) if across else 0.0
    return [_line(one, box, page, height, read) for one, box in zip(found, across, strict=True)]


def _line(found: TextBox, box: Box, page: int, height: float, read: Read) -> Line:
    """Read one box, in the page's frame *box*, on a page whose lines are *height* high."""
    if box.h >= SURELY * box.w and box.h > ONE_LETTER * height:
        return either(found, page ^ 1, read)
    line = either(found, page, read)
    if line.score < UNSURE and box.h >= LONG * box.w:
        other = either(found, page ^ 1, read)
        if len(other.text) > 1 and other.score >= line.score + BETTER:  # one letter lies as well as it stands
            return other
    return line


def either(found: TextBox, quarters: int, read: Read) -> Line:
    """Read a box turned by *quarters*, and when that is doubtful, the other way up too."""
    line = read(found, quarters)
    if line.score < UNSURE:
        other = read(found, quarters + 2)
        if other.score >= line.score + BETTER:
            return other
    return line


def is_vertical(found: Sequence[Line], read: Read) -> bool:
    """Whether lines that all run down, or all up, are Chinese or Japanese written top down, and not of a turned page.

    The letters of a few lines are read one by one. The recogniser knows them upright and lying on their left side: in
    vertical lines they lie so already and stand when turned back, else they stand and lie so when turned back further.
    """
    square = [line for line in found if mostly_square(line.text) and line.box.w >= SURELY * line.box.h]
    upright = turned = 0.0
    for line in sorted(square, key=lambda line: -line.box.w)[:LINES]:
        for letter in some_letters(line):
            upright += read(letter, -1).score
            turned += read(letter, 1).score
    return upright > turned


def some_letters(line: Line) -> Iterable[TextBox]:
    """The boxes of some letters of *line*, which are as wide as each other, turned as it is."""
    count = len("".join(line.text.split()))
    dx, dy = (end - start for start, end in zip(*line.box.corners()[:2], strict=True))
    for number in range(LETTERS):
        at = (int((number + 0.5) * count / LETTERS) + 0.5) / count - 0.5
        cx, cy, w = line.box.cx + at * dx, line.box.cy + at * dy, line.box.w / count
        yield TextBox(replace(line.box, cx=cx, cy=cy, w=w, h=min(line.box.h, AROUND * w)), line.det_score)


def longest(found: Sequence[TextBox]) -> list[TextBox]:
    return sorted(found, key=lambda one: -max(one.box.w, one.box.h))


def ratio(box: Box) -> float:
    return max(box.w, box.h) / max(min(box.w, box.h), 1e-9)


def stands(box: Box) -> bool:
    return box.h > box.w
