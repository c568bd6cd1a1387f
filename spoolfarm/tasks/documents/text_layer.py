"""The layer: a page's lines as invisible text in the places where they are seen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import zip_longest
from statistics import median, median_low

from spoolfarm.tasks.documents.glyphless_font import DESCENT, EM, Font
from spoolfarm.tasks.documents.page import Line, Page

#: The font's name among a page's resources.
FONT = "/FarmText"
#: The baseline's height in a line's box: the font fills the box, and reaches so far below the baseline.
BASELINE = -DESCENT / EM
#: Lines of one size differ in height by at most this factor.
ALIKE = 1.2
#: Degrees by which a line may be askew and still be written as if it were level: viewers take letters that do not
#: stand on one level for pieces of many lines.
ASKEW = 12.0

Matrix = Sequence[float]


def content(page: Page, matrix: Matrix, font: Font) -> bytes:
    """The content stream with the text of *page*; *matrix* leads from its pixels, y down, to those of the PDF."""
    parts = [f"q {_numbers(matrix)} cm BT 3 Tr"]
    written = [line for line in page.lines() if line.text and not line.present]
    for line, size in zip(written, _sizes(written), strict=True):
        parts += _line(line, size, font, (page.width, page.height))
    return "\n".join([*parts, "ET Q\n"]).encode()


def _sizes(lines: Sequence[Line]) -> list[float]:
    """The font size of each line: its box's height, but one size for all whose height is much the same.

    Boxes of the same letters differ in height, and viewers take lines of different sizes for different paragraphs.
    """
    sizes: list[float] = []
    for line in lines:
        near = [other.height for other in lines if line.height / ALIKE <= other.height <= line.height * ALIKE]
        sizes.append(median(near))
    common = median_low(sizes) if sizes else 0
    return [common if common / ALIKE <= size <= common * ALIKE else size for size in sizes]


def _line(line: Line, size: float, font: Font, limits: tuple[int, int]) -> list[str]:
    """One line: its words one after the other, each as long as it is to where the next begins.

    Words keep within the page, *limits* pixels across and down: viewers leave out letters that reach beyond it.
    """
    angle = round(line.angle / 90) * 90 if abs((line.angle + 45) % 90 - 45) <= ASKEW else line.angle
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    found = [f"{FONT} {size:.2f} Tf"]
    for word, following in zip_longest(line.words, line.words[1:]):
        below = (0.5 - BASELINE) * size
        until = max(following.start if following else word.end, word.start + 0.001)
        (x, y), end = (
            (
                min(max(line.centre[0] + along * cos - below * sin, 1), limits[0] - 1),
                min(max(line.centre[1] + along * sin + below * cos, 1), limits[1] - 1),
            )
            for along in ((word.start - 0.5) * line.length, (until - 0.5) * line.length)
        )
        written = f"{word.text} " if following else word.text
        stretch = 100 * max(math.dist((x, y), end), 0.001) / (size * font.width(written))
        matrix = _numbers((cos, sin, sin, -cos, x, y))
        found.append(f"{stretch:.2f} Tz {matrix} Tm <{font.encode(written).hex()}> Tj")
    return found


def _numbers(values: Sequence[float]) -> str:
    return " ".join(f"{value:.5f}".rstrip("0").rstrip(".") for value in values)
