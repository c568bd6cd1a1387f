"""Paragraphs: which rows of a block belong together, and their text on one line."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from statistics import median

from spoolfarm.tasks.ocr.cell import Cell
from spoolfarm.tasks.ocr.letters import is_square

#: A row this many times as far from the last one as the block's rows commonly are begins a paragraph,
FAR = 1.4
#: as does one that is this many times higher or lower than the last one,
HIGHER = 1.35
#: and one that begins this many heights further right than the last one, unless that was such a row too.
INDENT = 0.8
#: The width of a blank, in heights of the row.
BLANK = 0.3
#: What may have been too wide for the end of the last row, at most, in heights: Chinese breaks anywhere.
UNBREAKABLE = 6.0

#: What parts a word at the end of a line.
HYPHENS = "-\u00ad\u2010\u00ac"
#: After a hyphen before one of these, the second word is left out and not parted: Stadt- und Landkreis.
TWINS = {"and", "or", "und", "oder", "bzw.", "sowie", "et", "ou", "y", "o", "e", "en", "of"}

Row = Sequence[Cell]


def beginnings(rows: Sequence[Row]) -> list[bool]:
    """For each row of a block, whether a paragraph begins with it."""
    if not rows:
        return []
    left = min(row[0].left for row in rows)
    right = max(row[-1].right for row in rows)
    steps = [_middle(row) - _middle(last) for last, row in pairwise(rows)]
    common = median(steps) if len(steps) > 2 else 2 * median(map(_height, rows))
    found = [True]
    for (last, row), step in zip(pairwise(rows), steps, strict=True):
        sizes = sorted((_height(last), _height(row)))
        found.append(
            step > FAR * common
            or sizes[1] > HIGHER * sizes[0]
            or (len(last) == len(row) == 1 and (_indented(last, row, left) or _ends_early(last, row, right)))
        )
    return found


def _indented(last: Row, row: Row, left: float) -> bool:
    indent = INDENT * _height(row)
    return row[0].left - left > indent and row[0].left - last[0].left > indent


def _ends_early(last: Row, row: Row, right: float) -> bool:
    """Whether the first word of *row* had room at the end of the row before it, and yet stands in a new one."""
    height, [cell] = _height(row), row
    first = cell.line.words[0].end * cell.width if cell.line.words else UNBREAKABLE * height
    widest = 2 * height if is_square(cell.line.text[:1]) else UNBREAKABLE * height
    return right - last[-1].right > min(first, widest) + (BLANK + 0.5) * height


def _height(row: Row) -> float:
    return median(cell.height for cell in row)


def _middle(row: Row) -> float:
    return median(cell.middle for cell in row)


def flowing(written: Sequence[str], numbers: Sequence[int]) -> list[str]:
    """Join the rows *written* whose paragraphs' *numbers* are equal, and words that a hyphen parts at the end of one.

    Rows of a table, in pieces that stand apart, remain rows.
    """
    joined: list[str] = []
    for index, text in enumerate(written):
        goes_on = index and numbers[index] == numbers[index - 1] and "\t" not in text + written[index - 1]
        if goes_on:
            joined[-1] = _joined(joined[-1], text)
        else:
            joined.append(text)
    return joined


def _joined(text: str, following: str) -> str:
    first = following.split(" ", 1)[0]
    if text[-1:] in HYPHENS and text[-2:-1].isalpha():
        parted = first[:1].islower() and first not in TWINS
        return (text[:-1] if parted else f"{text} " if first in TWINS else text) + following
    blank = "" if is_square(text[-1:]) and is_square(following[:1]) else " "
    return text + blank + following
