"""The letters of a page of a PDF, each with its place, its font and the object that draws it."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import pypdfium2.raw as raw  # type: ignore[import-untyped]  # it comes without types

from spoolfarm.tasks.ocr.letters import is_square
from spoolfarm.tasks.ocr.pdf_page import PdfPage

#: With more letters a page is read from its picture: nobody wrote so much on a page, and it would take minutes.
MOST = 200_000
#: The ways of drawing letters of which nothing is seen.
UNDRAWN = (raw.FPDF_TEXTRENDERMODE_INVISIBLE, raw.FPDF_TEXTRENDERMODE_CLIP)
#: The renderer has letters below this one even for fonts that are not in the file.
LATIN_END = 0x250
#: The most of its height by which a letter stands away from the one above it, and the least of their widths they share.
GAP, ABOVE = 0.5, 0.5


@dataclass(frozen=True, slots=True)
class TextObject:
    """What draws a piece of text: the renderer's own object, its font, and how it is drawn."""

    found: Any = field(compare=False)
    font: int
    #: The font's name, without the mark of a subset.
    name: str
    #: Whether it is drawn with ink at all.
    inked: bool
    #: Whether it lies in a layer that can be switched off.
    layered: bool
    embedded: bool


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
    #: Whether the file does not say which letter it is.
    unknown: bool
    drawn: TextObject | None
    #: Whether a picture lies where it does.
    pictured: bool
    #: Whether it stands upright in a text that is written top down.
    standing: bool = False

    def centre(self) -> tuple[float, float]:
        """Where it lies in the picture."""
        return back(sum(self.along) / 2, sum(self.across) / 2, self.quarters)

    def rect(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom in the picture."""
        corners = [back(along, across, self.quarters) for along in self.along for across in self.across]
        xs, ys = zip(*corners, strict=True)
        return min(xs), min(ys), max(xs), max(ys)

    @property
    def drawable(self) -> bool:
        """Whether the renderer surely has what it looks like."""
        return self.drawn is not None and (self.drawn.embedded or ord(self.text) < LATIN_END)


def letters(page: PdfPage) -> list[Letter]:
    """The letters of *page* in the order of the file; none when there are more than MOST."""
    text = page.page.get_textpage()
    try:
        if raw.FPDFText_CountChars(text) > MOST:
            return []
        return _standing(list(_letters(page, text)))
    finally:
        text.close()


def _letters(page: PdfPage, text: raw.FPDF_TEXTPAGE) -> Iterator[Letter]:
    objects: dict[int, TextObject] = {}
    blank, new = False, True
    for index, code in _codes(text):
        if code in (10, 13):
            new = True
        elif code <= 32 or code in (0xA0, 0x3000):
            blank = True
        else:
            unknown = 0xE000 <= code < 0xF900 or code == 0xFFFD or raw.FPDFText_HasUnicodeMapError(text, index) == 1
            drawn = _drawn(text, index, objects)
            yield _letter(page, text, index, chr(code), drawn, (blank, new, unknown))
            blank, new = False, False


def _standing(found: Sequence[Letter]) -> list[Letter]:
    """The letters, those of Chinese and Japanese that is written top down as of a line that runs down."""
    down = [False] * len(found)
    for index, (last, letter) in enumerate(pairwise(found)):
        if is_square(last.text) and is_square(letter.text) and not letter.new and _is_below(last, letter):
            down[index] = down[index + 1] = True
    return [_turned(letter) if turned else letter for letter, turned in zip(found, down, strict=True)]


def _is_below(last: Letter, letter: Letter) -> bool:
    height, width = letter.across[1] - letter.across[0], letter.along[1] - letter.along[0]
    shared = min(last.along[1], letter.along[1]) - max(last.along[0], letter.along[0])
    gap = abs(letter.across[0] - last.across[1])
    return last.quarters == letter.quarters and gap < GAP * height and shared > ABOVE * width


def _turned(letter: Letter) -> Letter:
    """The same letter in a text that is turned clockwise by a quarter more."""
    left, right = letter.along
    return replace(
        letter, along=letter.across, across=(-right, -left), quarters=(letter.quarters + 1) % 4, standing=True
    )


def _codes(text: raw.FPDF_TEXTPAGE) -> Iterator[tuple[int, int]]:
    """The letters' numbers on the page and in Unicode; two halves of one letter come as one.

    A hyphen at the end of a line, where PDFium has a sign of its own, is a hyphen, and the line ends with it.
    """
    high = 0
    for index in range(raw.FPDFText_CountChars(text)):
        code = raw.FPDFText_GetUnicode(text, index)
        if raw.FPDFText_IsHyphen(text, index) == 1:
            yield index, ord("-")
            yield index, ord("\n")
        elif 0xD800 <= code < 0xDC00:
            high = code
        elif 0xDC00 <= code < 0xE000:
            if high:
                yield index, 0x10000 + ((high - 0xD800) << 10) + (code - 0xDC00)
            high = 0
        else:
            yield index, code


def _drawn(text: raw.FPDF_TEXTPAGE, index: int, objects: dict[int, TextObject]) -> TextObject | None:
    found = raw.FPDFText_GetTextObject(text, index)
    if not found:
        return None
    address = ctypes.addressof(found.contents)
    if address not in objects:
        font = raw.FPDFTextObj_GetFont(found)
        name = ctypes.create_string_buffer(256)
        raw.FPDFFont_GetBaseFontName(font, name, len(name))
        objects[address] = TextObject(
            found,
            ctypes.addressof(font.contents) if font else 0,
            name.value.decode("utf-8", "replace"),
            raw.FPDFTextObj_GetTextRenderMode(found) not in UNDRAWN,
            any(_mark(found, number) == "OC" for number in range(max(raw.FPDFPageObj_CountMarks(found), 0))),
            raw.FPDFFont_GetIsEmbedded(font) == 1,
        )
    return objects[address]


def _mark(found: Any, number: int) -> str:
    name, size = (raw.FPDF_WCHAR * 32)(), ctypes.c_ulong()
    raw.FPDFPageObjMark_GetName(raw.FPDFPageObj_GetMark(found, number), name, ctypes.sizeof(name), size)
    return bytes(name)[: max(size.value - 2, 0)].decode("utf-16-le", "replace")


def _letter(
    page: PdfPage,
    text: raw.FPDF_TEXTPAGE,
    index: int,
    letter: str,
    drawn: TextObject | None,
    told: tuple[bool, bool, bool],
) -> Letter:
    box, matrix = raw.FS_RECTF(), raw.FS_MATRIX()
    raw.FPDFText_GetLooseCharBox(text, index, box)
    raw.FPDFText_GetMatrix(text, index, matrix)
    x0, y0 = page.pixel(box.left, box.bottom)
    x1, y1 = page.pixel(box.right, box.top)
    from_x, from_y = page.pixel(0, 0)
    ahead = math.copysign(1000, raw.FPDFText_GetFontSize(text, index))  # letters of a negative size run backwards
    to_x, to_y = page.pixel(matrix.a * ahead, matrix.b * ahead)
    quarters = round(math.atan2(to_y - from_y, to_x - from_x) / (math.pi / 2)) % 4
    one, other = forth(x0, y0, quarters), forth(x1, y1, quarters)
    along = (min(one[0], other[0]), max(one[0], other[0]))
    across = (min(one[1], other[1]), max(one[1], other[1]))
    pictured = page.drawing.is_pictured((box.left + box.right) / 2, (box.bottom + box.top) / 2)
    return Letter(letter, along, across, quarters, *told, drawn, pictured)


def forth(x: float, y: float, quarters: int) -> tuple[float, float]:
    """A point of the picture as seen from a text that is turned clockwise by *quarters*."""
    return [(x, y), (y, -x), (-x, -y), (-y, x)][quarters]


def back(along: float, across: float, quarters: int) -> tuple[float, float]:
    """The point of the picture that `forth` gave."""
    return [(along, across), (-across, along), (-along, -across), (across, -along)][quarters]
