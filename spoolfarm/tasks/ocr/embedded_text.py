"""Embedded text: what a page of a PDF says in letters, so that it need not be read from its picture.

A letter is seen when the page looks different without it. One that is seen and known is taken as it is, and hidden when
the rest of the page is read. What is not seen and lies where a picture is, an earlier reader left there.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from spoolfarm.tasks.ocr.box import Box
from spoolfarm.tasks.ocr.letters import runs_leftwards
from spoolfarm.tasks.ocr.page import Line, Word
from spoolfarm.tasks.ocr.pdf_letters import Letter, back, letters
from spoolfarm.tasks.ocr.pdf_page import PdfPage

#: Pictures below so many letters that are not seen need no reading: somebody did so before.
ENOUGH = 200
#: Pictures that cover less than this part of a page are marks and icons.
WORTH = 0.004
#: With more than this part of its letters unknown, a font says nothing.
UNKNOWN = 0.1
#: Unknown letters in runs shorter than this, in the mean, are signs such as the dots of a list.
RUN = 1.5
#: Heights between two letters beyond which they are not of the same line.
APART = 1.5
#: The part of its height that a letter shares with the others of its line.
SHARED = 0.5
#: The part of a word's letters that a page must have there already to have the word.
PRESENT = 0.5


class EmbeddedText:
    """The letters of *page*; with *visible*, only those that can be seen."""

    def __init__(self, page: PdfPage, *, visible: bool) -> None:
        found = letters(page)
        shown = _shown(page, found)
        bad = _unknown(found)
        #: Letters that are seen and known, and those that an earlier reader left.
        self.seen = [one for one, shows in zip(found, shown, strict=True) if shows and _font(one) not in bad]
        self.left = [
            one
            for one, shows in zip(found, shown, strict=True)
            if not (shows or visible or _font(one) in bad) and _is_left(one)
        ]
        #: The names of the fonts whose letters are seen and not known.
        self.wrong = {
            one.drawn.name for one, shows in zip(found, shown, strict=True) if shows and one.drawn and _font(one) in bad
        }

    @property
    def letters(self) -> list[Letter]:
        """All of them."""
        return [*self.seen, *self.left]

    def objects(self) -> list[Any]:
        """What draws the letters that are taken, for `PdfPage.picture` to leave out."""
        return list({id(one.drawn): one.drawn.found for one in self.seen if one.drawn}.values())

    def enough(self, page: PdfPage) -> bool:
        """Whether this is all there is to read on *page*."""
        if not self.letters or self.wrong:
            return False
        if page.drawing.covered >= WORTH:
            return len(self.left) >= ENOUGH
        return not page.drawing.outlined

    def doubt(self, fonts: Collection[int]) -> None:
        """Take the letters of *fonts* for others than they are said to be."""
        self.wrong |= {one.drawn.name for one in self.seen if one.drawn and one.drawn.font in fonts}
        self.seen = [one for one in self.seen if _font(one) not in fonts]

    def lines(self) -> list[Line]:
        """The letters in lines."""
        return [_line(each) for group in (self.seen, self.left) for each in in_lines(group)]

    def rotation(self) -> int:
        """By how many degrees clockwise most of the text is turned; what is written top down is upright."""
        votes = Counter[int]()
        for one in self.letters:
            votes[(one.quarters - one.standing) % 4 * 90] += round(one.along[1] - one.along[0])
        return max(votes, key=lambda turn: votes[turn], default=0)

    def without(self, line: Line) -> Iterator[Line]:
        """What of *line* the page has not yet among what an earlier reader left: all, some words, or nothing."""
        if not self.left:
            yield line
            return
        words = line.words or (Word(line.text, 0.0, 1.0),)
        has = [self._has(line.box, word) for word in words]
        start = 0
        for at in range(1, len(words) + 1):
            if at < len(words) and has[at] == has[start]:
                continue
            if not has[start]:
                yield line if at - start == len(words) else line.of(words[start:at])
            start = at

    def _has(self, box: Box, word: Word) -> bool:
        wanted = sum(not each.isspace() for each in word.text)
        turn = math.radians(-box.angle)
        cos, sin = math.cos(turn), math.sin(turn)
        start, end = (word.start - 0.5) * box.w, (word.end - 0.5) * box.w
        there = 0
        for letter in self.left:
            x, y = letter.centre()
            x, y = x - box.cx, y - box.cy
            there += start <= x * cos - y * sin <= end and abs(x * sin + y * cos) <= box.h / 2
        return there >= PRESENT * wanted > 0


def _font(letter: Letter) -> int:
    return letter.drawn.font if letter.drawn else 0


def _is_left(letter: Letter) -> bool:
    """Whether a letter that is not seen says what is: it was drawn to be found, or nobody knows how it looks."""
    drawn = letter.drawn
    if drawn is None or not drawn.inked:
        return True
    return not drawn.layered and (letter.pictured or not letter.drawable)


def _shown(page: PdfPage, found: Sequence[Letter]) -> list[bool]:
    """For each letter whether the page looks different without it."""
    inked = {id(one.drawn): one.drawn.found for one in found if one.drawn and one.drawn.inked}
    if not inked:
        return [False] * len(found)
    whole, bare = page.preview(), page.preview(without=inked.values())
    changed = np.pad((whole != bare).any(axis=2).cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    height, width = whole.shape[:2]
    across, down = width / page.width, height / page.height

    def shows(letter: Letter) -> bool:
        if letter.drawn is None or not letter.drawn.inked:
            return False
        left, top, right, bottom = letter.rect()
        x0, x1 = (min(max(x, 0), width) for x in (math.floor(left * across), math.ceil(right * across)))
        y0, y1 = (min(max(y, 0), height) for y in (math.floor(top * down), math.ceil(bottom * down)))
        return bool(changed[y1, x1] - changed[y0, x1] - changed[y1, x0] + changed[y0, x0])

    shown = [shows(letter) for letter in found]
    for index in range(1, len(found) - 1):  # what looks like a blank between two others
        around = found[index - 1].drawn is found[index].drawn is found[index + 1].drawn
        shown[index] |= around and shown[index - 1] and shows(found[index + 1])
    return shown


def _unknown(found: Sequence[Letter]) -> set[int]:
    """The fonts whose letters nobody knows."""
    by_font: dict[int, list[Letter]] = defaultdict(list)
    for letter in found:
        by_font[_font(letter)].append(letter)
    return {
        font
        for font, group in by_font.items()
        if sum(one.unknown for one in group) > UNKNOWN * len(group)
        and len(group) > RUN * sum(one.blank or one.new for one in group)
    }


def in_lines(group: Sequence[Letter]) -> list[list[Letter]]:
    """Part letters into lines."""
    found: list[list[Letter]] = []
    for letter in group:
        if not found or letter.new or _apart(found[-1][-1], letter):
            found.append([])
        found[-1].append(letter)
    return found


def _apart(last: Letter, letter: Letter) -> bool:
    """Whether *letter* cannot be of the same line as *last*."""
    height = max(last.across[1] - last.across[0], letter.across[1] - letter.across[0])
    shared = min(last.across[1], letter.across[1]) - max(last.across[0], letter.across[0])
    lower = min(last.across[1] - last.across[0], letter.across[1] - letter.across[0])
    gap = letter.along[0] - last.along[1]
    if runs_leftwards(letter.text):
        gap = max(gap, last.along[0] - letter.along[1])
    return letter.quarters != last.quarters or shared < SHARED * lower or not -height < gap < APART * height


def box_of(group: Sequence[Letter]) -> Box:
    """The box around the letters of one line."""
    start, end = min(one.along[0] for one in group), max(one.along[1] for one in group)
    top, bottom = min(one.across[0] for one in group), max(one.across[1] for one in group)
    cx, cy = back((start + end) / 2, (top + bottom) / 2, group[0].quarters)
    angle = group[0].quarters * 90 if group[0].quarters < 3 else -90
    return Box(cx, cy, max(end - start, 1.0), max(bottom - top, 1.0), angle)


def _line(group: Sequence[Letter]) -> Line:
    """The letters of one line as what a reader would have found."""
    box = box_of(group)
    start = min(one.along[0] for one in group)
    breaks = [index for index, one in enumerate(group) if index == 0 or one.blank]
    words = []
    for first, last in pairwise([*breaks, len(group)]):
        word = group[first:last]
        begin, until = min(one.along[0] for one in word) - start, max(one.along[1] for one in word) - start
        words.append(Word("".join(one.text for one in word), begin / box.w, until / box.w))
    return Line(box, " ".join(word.text for word in words), 1.0, 1.0, words=tuple(words), present=True)
