"""The page: what was read on it as blocks of paragraphs of lines of words, for those who write it down."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

#: Left, top, right, bottom: upright, in whole pixels.
Box = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Word:
    """Letters without a blank between them, and where in their line they begin and end: 0 to 1, along the text."""

    text: str
    start: float
    end: float
    box: Box


@dataclass(frozen=True, slots=True)
class Line:
    """A line: the rectangle along its text, whose `corners` begin at the text's top left, and the box around it."""

    text: str
    words: tuple[Word, ...]
    #: How sure the reader is of it, 0 to 1.
    score: float
    centre: tuple[float, float]
    #: Pixels along the text and across it.
    length: float
    height: float
    #: The direction of the text in degrees, clockwise.
    angle: float
    corners: tuple[tuple[float, float], ...]
    box: Box
    #: Whether the page of a PDF says it in letters already.
    present: bool


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


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a document; one that could not be read has neither size nor text."""

    #: Counted from 1.
    number: int
    width: int
    height: int
    #: Dots per inch, 0 where nobody knows.
    dpi: float
    text: str
    #: In reading order.
    blocks: tuple[Block, ...]
    #: Whether somebody has read it from its picture, so that its PDF lacks the text.
    recognised: bool
    #: What `ocr` answered, or the `error` and its `code`.
    record: Mapping[str, Any]

    @classmethod
    def of(cls, number: int, record: Mapping[str, Any]) -> Page:
        """Page *number* as an `ocr` record tells it, or one that has only `error` and `code`."""
        width, height = record.get("width", 0), record.get("height", 0)
        return cls(
            number=number,
            width=width,
            height=height,
            dpi=record.get("dpi") or 0,
            text=record.get("text", ""),
            blocks=_blocks(record, (width, height)),
            recognised="error" not in record and record.get("source") != "text",
            record=record,
        )

    def lines(self) -> Iterator[Line]:
        """All lines in reading order."""
        return (line for block in self.blocks for paragraph in block.paragraphs for line in paragraph.lines)


def _blocks(record: Mapping[str, Any], limits: tuple[int, int]) -> tuple[Block, ...]:
    blocks: dict[int, list[Paragraph]] = {}
    for indices in record.get("paragraphs", ()):
        told = [record["lines"][index] for index in indices]
        lines = tuple(_line(line, limits) for line in told)
        blocks.setdefault(told[0]["block"], []).append(Paragraph(lines, _around(line.box for line in lines)))
    return tuple(Block(tuple(parts), _around(part.box for part in parts)) for parts in blocks.values())


def _line(told: Mapping[str, Any], limits: tuple[int, int]) -> Line:
    corners = tuple((x, y) for x, y in told["poly"])
    box = told["box"]
    return Line(
        text=told["text"],
        words=tuple(_words(told, corners, limits)),
        score=told["score"],
        centre=(box["cx"], box["cy"]),
        length=box["w"],
        height=box["h"],
        angle=box["angle"],
        corners=corners,
        box=_whole(corners, limits),
        present=told.get("present", False),
    )


def _words(
    told: Mapping[str, Any], corners: tuple[tuple[float, float], ...], limits: tuple[int, int]
) -> Iterator[Word]:
    """The words of a line; a line without any is one."""
    (x0, y0), (x1, y1), _, (x3, y3) = corners
    for text, start, end in told.get("words") or [[told["text"], 0.0, 1.0]]:
        near = [(x0 + (x1 - x0) * at, y0 + (y1 - y0) * at) for at in (start, end)]
        far = [(x + x3 - x0, y + y3 - y0) for x, y in near]
        yield Word(text, start, end, _whole([*near, *far], limits))


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
