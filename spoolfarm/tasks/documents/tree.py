"""The tree: a page's lines as blocks of paragraphs of lines of words, each in an upright box of whole pixels."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

#: Left, top, right, bottom.
Box = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Word:
    """Letters without a blank between them."""

    text: str
    box: Box


@dataclass(frozen=True, slots=True)
class Line:
    """A line; `angle` is the direction of its text in degrees, clockwise, and `corners` begin at its top left."""

    words: tuple[Word, ...]
    box: Box
    score: float
    angle: float
    corners: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Lines that belong together."""

    lines: tuple[Line, ...]
    box: Box


@dataclass(frozen=True, slots=True)
class Block:
    """A column, or what stands above, between or below columns."""

    paragraphs: tuple[Paragraph, ...]
    box: Box


def tree(record: Mapping[str, Any]) -> list[Block]:
    """The blocks of an `ocr` record in reading order; none of a page that could not be read."""
    limits = (record.get("width", 0), record.get("height", 0))
    blocks: dict[int, list[Paragraph]] = {}
    for indices in record.get("paragraphs", ()):
        lines = [record["lines"][index] for index in indices]
        shown = tuple(_line(line, limits) for line in lines)
        blocks.setdefault(lines[0]["block"], []).append(Paragraph(shown, _around(line.box for line in shown)))
    return [Block(tuple(parts), _around(part.box for part in parts)) for parts in blocks.values()]


def _line(line: Mapping[str, Any], limits: tuple[int, int]) -> Line:
    corners = tuple((x, y) for x, y in line["poly"])
    (x0, y0), (x1, y1), _, (x3, y3) = corners
    words = []
    for text, start, end in line.get("words") or [[line["text"], 0.0, 1.0]]:
        near = [(x0 + (x1 - x0) * at, y0 + (y1 - y0) * at) for at in (start, end)]
        far = [(x + x3 - x0, y + y3 - y0) for x, y in near]
        words.append(Word(text, _whole([*near, *far], limits)))
    return Line(tuple(words), _whole(corners, limits), line["score"], line["box"]["angle"], corners)


def _whole(points: Iterable[tuple[float, float]], limits: tuple[int, int]) -> Box:
    """The upright box around *points*, within the picture and at least a pixel large."""
    xs, ys = zip(*points, strict=True)
    left = min(max(math.floor(min(xs)), 0), max(limits[0] - 1, 0))
    top = min(max(math.floor(min(ys)), 0), max(limits[1] - 1, 0))
    return (
        left,
        top,
        max(left + 1, min(math.ceil(max(xs)), limits[0])),
        max(top + 1, min(math.ceil(max(ys)), limits[1])),
    )


def _around(boxes: Iterable[Box]) -> Box:
    lefts, tops, rights, bottoms = zip(*boxes, strict=True)
    return min(lefts), min(tops), max(rights), max(bottoms)
