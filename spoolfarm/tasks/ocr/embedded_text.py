"""Embedded text: what a page of a PDF says in letters, so that it need not be read from its picture."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pypdfium2.raw as raw  # type: ignore[import-untyped]  # it comes without types

from spoolfarm.tasks.ocr.box import Box
from spoolfarm.tasks.ocr.page import Line, Word
from spoolfarm.tasks.ocr.pdf_page import COVERS, PdfPage

#: A page with so many letters needs no reading, even when it is one large picture: somebody did so before.
ENOUGH = 200
#: With more letters a page is read from its picture: nobody wrote so much on a page, and it would take minutes.
MOST = 200_000
#: With more than this part of its letters unknown, a text is worth nothing.
UNKNOWN = 0.1
#: Heights between two letters beyond which they are not of the same line.
APART = 1.5
#: The part of its height that a letter shares with the others of its line.
SHARED = 0.5
#: The part of a line's letters that a page must have there already to have the line.
PRESENT = 0.5


@dataclass(frozen=True, slots=True)
class Letter:
    """One letter. `along` and `across` are where it begins and ends, in pixels, seen from a text that runs right."""

    text: str
    along: tuple[float, float]
    across: tuple[float, float]
    #: Quarters of a turn by which its text is turned clockwise.
    quarters: int
    #: Whether a blank stands before it, and whether a new line begins with it.
    blank: bool
    new: bool

    def centre(self) -> tuple[float, float]:
        """Where it lies in the picture."""
        return back(sum(self.along) / 2, sum(self.across) / 2, self.quarters)


class EmbeddedText:
    """The letters of a page; with *visible*, only of text that can be seen."""

    def __init__(self, page: PdfPage, *, visible: bool) -> None:
        self.letters, unknown = _letters(page, visible)
        #: Whether the letters are known for what they are.
        self.legible = unknown <= UNKNOWN * len(self.letters)

    def enough(self, page: PdfPage) -> bool:
        """Whether this is all there is to read on *page*."""
        if not self.letters or not self.legible or page.filled_in:
            return False
        return page.covered < COVERS or len(self.letters) >= ENOUGH

    def lines(self) -> list[Line]:
        """The letters in lines."""
        found: list[list[Letter]] = []
        for letter in self.letters:
            if not found or letter.new or _apart(found[-1][-1], letter):
                found.append([])
            found[-1].append(letter)
        return [_line(letters) for letters in found]

    def has(self, box: Box, text: str) -> bool:
        """Whether the page has most of the line *text* in *box* already."""
        wanted = sum(not each.isspace() for each in text)
        turn = math.radians(-box.angle)
        cos, sin = math.cos(turn), math.sin(turn)
        there = 0
        for letter in self.letters:
            x, y = letter.centre()
            x, y = x - box.cx, y - box.cy
            there += abs(x * cos - y * sin) <= box.w / 2 and abs(x * sin + y * cos) <= box.h / 2
        return there >= PRESENT * wanted > 0


def _letters(page: PdfPage, visible: bool) -> tuple[list[Letter], int]:
    """The letters of *page*, and how many of them are not known for what they are."""
    text = page.page.get_textpage()
    found: list[Letter] = []
    unknown = 0
    try:
        if raw.FPDFText_CountChars(text) > MOST:
            return found, unknown
        blank, new = False, True
        for index, code in _codes(text):
            if code in (10, 13):
                new = True
            elif code <= 32 or code in (0xA0, 0x3000):
                blank = True
            elif not visible or _seen(text, index):
                private = 0xE000 <= code < 0xF900 or code == 0xFFFD
                unknown += private or raw.FPDFText_HasUnicodeMapError(text, index) == 1
                found.append(_letter(page, text, index, chr(code), blank, new))
                blank = new = False
    finally:
        text.close()
    return found, unknown


def _codes(text: raw.FPDF_TEXTPAGE) -> Iterator[tuple[int, int]]:
    """The letters' numbers on the page and in Unicode; two halves of one letter come as one."""
    high = 0
    for index in range(raw.FPDFText_CountChars(text)):
        code = raw.FPDFText_GetUnicode(text, index)
        if 0xD800 <= code < 0xDC00:
            high = code
        elif 0xDC00 <= code < 0xE000:
            if high:
                yield index, 0x10000 + ((high - 0xD800) << 10) + (code - 0xDC00)
            high = 0
        else:
            yield index, code


def _seen(text: raw.FPDF_TEXTPAGE, index: int) -> bool:
    written = raw.FPDFText_GetTextObject(text, index)
    return not written or raw.FPDFTextObj_GetTextRenderMode(written) != raw.FPDF_TEXTRENDERMODE_INVISIBLE


def _letter(page: PdfPage, text: raw.FPDF_TEXTPAGE, index: int, letter: str, blank: bool, new: bool) -> Letter:
    box, matrix = raw.FS_RECTF(), raw.FS_MATRIX()
    raw.FPDFText_GetLooseCharBox(text, index, box)
    raw.FPDFText_GetMatrix(text, index, matrix)
    x0, y0 = page.pixel(box.left, box.bottom)
    x1, y1 = page.pixel(box.right, box.top)
    from_x, from_y = page.pixel(0, 0)
    to_x, to_y = page.pixel(matrix.a * 1000, matrix.b * 1000)
    quarters = round(math.atan2(to_y - from_y, to_x - from_x) / (math.pi / 2)) % 4
    one, other = forth(x0, y0, quarters), forth(x1, y1, quarters)
    along = (min(one[0], other[0]), max(one[0], other[0]))
    across = (min(one[1], other[1]), max(one[1], other[1]))
    return Letter(letter, along, across, quarters, blank, new)


def forth(x: float, y: float, quarters: int) -> tuple[float, float]:
    """A point of the picture as seen from a text that is turned clockwise by *quarters*."""
    return [(x, y), (y, -x), (-x, -y), (-y, x)][quarters]


def back(along: float, across: float, quarters: int) -> tuple[float, float]:
    """The point of the picture that `forth` gave."""
    return [(along, across), (-across, along), (-along, -across), (across, -along)][quarters]


def _apart(last: Letter, letter: Letter) -> bool:
    """Whether *letter* cannot be of the same line as *last*."""
    height = max(last.across[1] - last.across[0], letter.across[1] - letter.across[0])
    shared = min(last.across[1], letter.across[1]) - max(last.across[0], letter.across[0])
    lower = min(last.across[1] - last.across[0], letter.across[1] - letter.across[0])
    gap = letter.along[0] - last.along[1]
    return letter.quarters != last.quarters or shared < SHARED * lower or not -height < gap < APART * height


def _line(letters: Sequence[Letter]) -> Line:
    """The letters of one line as what a reader would have found."""
    start, end = min(one.along[0] for one in letters), max(one.along[1] for one in letters)
    top, bottom = min(one.across[0] for one in letters), max(one.across[1] for one in letters)
    length = max(end - start, 1.0)
    words: list[list[Letter]] = []
    for letter in letters:
        if letter.blank or not words:
            words.append([])
        words[-1].append(letter)
    found = []
    for word in words:
        begin, until = (word[0].along[0] - start) / length, (word[-1].along[1] - start) / length
        found.append(Word("".join(one.text for one in word), begin, until))
    cx, cy = back((start + end) / 2, (top + bottom) / 2, letters[0].quarters)
    angle = letters[0].quarters * 90 if letters[0].quarters < 3 else -90
    box = Box(cx, cy, length, max(bottom - top, 1.0), angle)
    return Line(box, " ".join(word.text for word in found), 1.0, 1.0, words=tuple(found), present=True)
