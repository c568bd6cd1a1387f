"""The layer: a page's lines as invisible text in the places where they are seen."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import median, median_low
from typing import Any

from spoolfarm.tasks.documents.glyphless_font import DESCENT, EM, Font

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


def content(record: Mapping[str, Any], matrix: Matrix, font: Font) -> bytes:
    """The content stream with the text of an `ocr` record; *matrix* leads from its pixels, y down, to the page."""
    parts = [f"q {_numbers(matrix)} cm BT 3 Tr"]
    written = [line for line in record["lines"] if line["text"] and not line.get("present")]
    for line, size in zip(written, _sizes(written), strict=True):
        parts += _line(line, size, font)
    return "\n".join([*parts, "ET Q\n"]).encode()


def _sizes(lines: Sequence[Mapping[str, Any]]) -> list[float]:
    """The font size of each line: its box's height, but one size for all whose height is much the same.

    Boxes of the same letters differ in height, and viewers take lines of different sizes for different paragraphs.
    """
    sizes: list[float] = []
    for line in lines:
        height = line["box"]["h"]
        near = [other["box"]["h"] for other in lines if height / ALIKE <= other["box"]["h"] <= height * ALIKE]
        sizes.append(median(near))
    common = median_low(sizes) if sizes else 0
    return [common if common / ALIKE <= size <= common * ALIKE else size for size in sizes]


def _line(line: Mapping[str, Any], size: float, font: Font) -> list[str]:
    """One line: its words one after the other, each as long as it is to where the next begins."""
    box = line["box"]
    angle = round(box["angle"] / 90) * 90 if abs((box["angle"] + 45) % 90 - 45) <= ASKEW else box["angle"]
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    words = line.get("words") or [[line["text"], 0.0, 1.0]]
    found = [f"{FONT} {size:.2f} Tf"]
    for number, (text, start, end) in enumerate(words):
        begin = (start - 0.5) * box["w"]
        below = (0.5 - BASELINE) * size
        x, y = box["cx"] + begin * cos - below * sin, box["cy"] + begin * sin + below * cos
        until = words[number + 1][1] if number + 1 < len(words) else end
        written = text + " " if number + 1 < len(words) else text
        stretch = 100 * max(until - start, 0.001) * box["w"] / (size * font.width(written))
        matrix = _numbers((cos, sin, sin, -cos, x, y))
        found.append(f"{stretch:.2f} Tz {matrix} Tm <{font.encode(written).hex()}> Tj")
    return found


def _numbers(values: Sequence[float]) -> str:
    return " ".join(f"{value:.5f}".rstrip("0").rstrip(".") for value in values)
