"""The turn: which way the text of a page runs, and each of its lines.

Long boxes show whether their text is level or not, and which end is up is seen from how well a few of them read. Short
boxes show nothing, a digit is taller than wide: of these a sample is read in all four turns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median

from spoolfarm.tasks.ocr import stack
from spoolfarm.tasks.ocr.box import Box
from spoolfarm.tasks.ocr.detector import TextBox
from spoolfarm.tasks.ocr.letters import mostly_square, widest
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
#: The second reading must score this much better to be believed, and this much where it makes letters of what were
#: Chinese or Japanese signs: a few strokes upside down look like letters.
BETTER, MUCH_BETTER = 0.05, 0.15
#: A score of so much or less tells nothing.
GUESS = 0.5
#: How much a turn gains by single letters that read when they lie on their left side: the recogniser knows them from
#: vertical lines, and reads a letter of a page that stands right both ways.
LYING_LETTER = 0.5
#: A page is taken to be upright unless another turn reads this many times as well, and by so many letters more.
PRIOR, MORE = 1.05, 0.6
#: The detector is at least so sure of most boxes; it knows turned text less well, and misses some where it is not.
SEEN = 0.72
#: A box across the page's lines holds one letter when it is at most so many times as long as the lines are high.
ONE_LETTER = 1.6

#: Reads a box with its text taken to run a number of quarters further clockwise.
Read = Callable[[TextBox, int], Line]


def of_page(found: Sequence[TextBox], read: Read) -> int:
    """By how many quarters clockwise the page with the boxes *found* is turned."""
    axis = by_shape([one.box for one in found])
    if axis is None:
        return asked(found, read)
    votes = [0.0] * 4
    for one in [one for one in longest(found) if stands(one.box) == (axis == 1)][:PROBES]:
        line = either(one, axis, read)
        quarters = axis if line.box == one.box.turned(axis) else axis + 2
        votes[(quarters - stack.is_one(line, read, standing=axis == 1)) % 4] += line.box.w
    return max(range(4), key=lambda quarters: votes[quarters])


def by_shape(boxes: Sequence[Box]) -> int | None:
    """0 when the long ones of *boxes* lie, 1 when they stand, None when there are too few to tell."""
    if not boxes:
        return 0
    thin = STROKE * median(min(box.w, box.h) for box in boxes)
    lying = sum(box.w for box in boxes if box.w >= SURELY * box.h)
    standing = sum(box.h for box in boxes if box.h >= SURELY * box.w)
    axis = int(standing > lying)
    more, less = max(lying, standing), min(lying, standing)
    short = sum(max(box.w, box.h) for box in boxes) - more - less
    clear = any(ratio(box) >= CLEARLY and min(box.w, box.h) >= thin and stands(box) == (axis == 1) for box in boxes)
    return axis if clear and more >= OUTWEIGH * less and more >= SPEAK * short else None


def is_sure(found: Sequence[TextBox], page: int) -> bool:
    """Whether most of *found* were seen well, and their long ones run as lines of a page turned by *page* quarters."""
    seen = median(one.score for one in found) >= SEEN
    return seen and by_shape([one.box for one in found]) == page % 2


def asked(found: Sequence[TextBox], read: Read) -> int:
    """The turn in which a sample of *found* reads best."""
    told = [0.0] * 4
    for one in sample(found):
        along = int(stands(one.box))
        for quarters in (along, along + 1, along + 3, along + 2):
            if quarters == along + 2 and ratio(one.box) >= SURELY and read(one, along).score >= UNSURE:
                continue  # a long line costs time, and this one reads well
            line = read(one, quarters)
            back = (quarters - 1) % 4
            if stack.is_one(line, read, standing=quarters % 2 == 1):
                told[back] += worth(line)
            else:
                told[quarters % 4] += worth(line)
                told[back] += LYING_LETTER * worth(line) * (len(line.text) == 1)
    told[0] = PRIOR * told[0] + MORE
    return max(range(4), key=lambda quarters: told[quarters])


def sample(found: Sequence[TextBox]) -> list[TextBox]:
    """The longest boxes of *found*, and some of the others from all over the page."""
    ordered = longest(found)
    others = [one for one in found if one not in ordered[:PROBES]]
    count = SAMPLE - PROBES
    step = max(1.0, len(others) / count)
    return ordered[:PROBES] + [others[int(step * number)] for number in range(min(count, len(others)))]


def worth(line: Line) -> float:
    """How many letters a line tells of, by how sure it is; none when its box has another shape than they."""
    text = "".join(line.text.split())
    fits = line.box.w <= sum(map(widest, text)) * line.box.h
    return len(text) * max(0.0, line.score - GUESS) / (1 - GUESS) if fits else 0.0


def lines(found: Sequence[TextBox], page: int, read: Read) -> list[Line]:
    """Read *found* on a page that is turned by *page* quarters; some lines may run another way."""
    boxes = [one.box.turned(page) for one in found]
    height = median(box.h for box in boxes) if boxes else 0.0
    tall = SURELY if by_shape(boxes) != 1 else LONG  # most lines stand: so do short ones
    read_lines = [
        _across(one, page, read)
        if box.h >= tall * box.w and (tall == LONG or box.h > ONE_LETTER * height)
        else [_along(one, box, page, read)]
        for one, box in zip(found, boxes, strict=True)
    ]
    return [line for part in read_lines for line in part]


def _along(found: TextBox, box: Box, page: int, read: Read) -> Line:
    """Read a box, *box* in the page's frame, with its text taken to run as the page's lines do."""
    line = either(found, page, read)
    if line.score < UNSURE and box.h >= LONG * box.w:
        other = either(found, page ^ 1, read)
        squeezed = mostly_square(line.text) and box.h >= SURELY * box.w
        better = squeezed or other.score >= line.score + BETTER
        if better and len(other.text) > 1:  # one letter lies as well as it stands
            return other
    return line


def _across(found: TextBox, page: int, read: Read) -> list[Line]:
    """Read a box with its text taken to run across the page's lines; of a stack of cells, each is read."""
    line = either(found, page ^ 1, read)
    runs_down = line.box == found.box.turned(page + 1)
    if runs_down and not stack.is_column(line) and stack.is_one(line, read, standing=True):
        return [read(piece, -1) for piece in stack.pieces(line)]
    return [line]


def either(found: TextBox, quarters: int, read: Read) -> Line:
    """Read a box turned by *quarters*, and when that is doubtful, the other way up too."""
    line = read(found, quarters)
    if line.score < UNSURE:
        other = read(found, quarters + 2)
        alike = mostly_square(other.text) or not mostly_square(line.text)
        if other.score >= line.score + (BETTER if alike else MUCH_BETTER):
            return other
    return line


def longest(found: Sequence[TextBox]) -> list[TextBox]:
    return sorted(found, key=lambda one: -max(one.box.w, one.box.h))


def ratio(box: Box) -> float:
    return max(box.w, box.h) / max(min(box.w, box.h), 1e-9)


def stands(box: Box) -> bool:
    return box.h > box.w
