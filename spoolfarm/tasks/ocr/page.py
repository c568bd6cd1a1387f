"""The page: what was read from one picture, and the JSON it becomes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from spoolfarm.tasks.ocr.box import Box
from spoolfarm.tasks.ocr.letters import mostly_square
from spoolfarm.tasks.ocr.table import Table

#: The least part of a line that its words take: letters of a PDF may have no width.
THINNEST = 1e-3


@dataclass(frozen=True, slots=True)
class Word:
    """What stands between two blanks, and where in its line it begins and ends: 0 to 1, along the text."""

    text: str
    start: float
    end: float

    def parted(self, at: float) -> tuple[Word, ...]:
        """Its letters before a place in it and those behind, when they are Chinese or Japanese; else itself."""
        count = round(len(self.text) * (at - self.start) / max(self.end - self.start, THINNEST))
        if not 0 < count < len(self.text) or not mostly_square(self.text):
            return (self,)
        middle = self.start + (self.end - self.start) * count / len(self.text)
        return Word(self.text[:count], self.start, middle), Word(self.text[count:], middle, self.end)


@dataclass(frozen=True, slots=True)
class Line:
    """A piece of text in one box. Scores are 0 to 1."""

    box: Box
    text: str
    #: How sure the recogniser is of the text, and the detector of the box.
    score: float
    det_score: float
    #: Counted through the page in reading order. Pieces of the same row stand on one line of the page's text.
    block: int = 0
    row: int = 0
    #: Counted through the page in reading order; a paragraph lies in one block.
    paragraph: int = 0
    words: tuple[Word, ...] = ()
    #: Whether nobody had to read it: the page of a PDF says it in letters.
    present: bool = False

    def parted(self, at: float) -> tuple[Line | None, Line | None]:
        """Its words before a place, 0 to 1 along it, and those behind; None where there are none."""
        words = [part for word in self.words for part in word.parted(at)]
        before = tuple(word for word in words if word.start + word.end <= 2 * at)
        behind = tuple(word for word in words if word.start + word.end > 2 * at)
        return self.of(before) if before else None, self.of(behind) if behind else None

    def of(self, words: Sequence[Word]) -> Line:
        """The piece of it that has only *words* of its own, which may run to the left."""
        start, end = min(word.start for word in words), max(word.end for word in words)
        (left, top), (right, bottom) = self.box.corners()[:2]
        at, part = (start + end) / 2 - 0.5, max(end - start, THINNEST)
        box = replace(
            self.box, cx=self.box.cx + at * (right - left), cy=self.box.cy + at * (bottom - top), w=part * self.box.w
        )
        places = (replace(word, start=(word.start - start) / part, end=(word.end - start) / part) for word in words)
        return replace(self, box=box, text=" ".join(word.text for word in words), words=tuple(places))

    def record(self, name: str) -> dict[str, Any]:
        """The line as JSON values, pixels to a tenth."""
        box = self.box
        present = {"present": True} if self.present else {}
        return {
            "name": name,
            "text": self.text,
            "score": round(self.score, 4),
            "det_score": round(self.det_score, 4),
            "box": {
                "cx": round(box.cx, 1),
                "cy": round(box.cy, 1),
                "w": round(box.w, 1),
                "h": round(box.h, 1),
                "angle": round(box.angle, 2),
            },
            "poly": [[round(x, 1), round(y, 1)] for x, y in box.corners()],
            "block": self.block,
            "row": self.row,
            "words": [[word.text, round(word.start, 4), round(word.end, 4)] for word in self.words],
            **present,
        }


@dataclass(frozen=True, slots=True)
class Page:
    """The lines of one picture in reading order, in the picture's own pixels."""

    width: int
    height: int
    #: Degrees by which the page is turned clockwise: 0, 90, 180 or 270.
    rotation: int
    lines: tuple[Line, ...]
    #: The rows, or the paragraphs, joined by line breaks; in a row, pieces that lie apart are joined by a tab, close
    #: ones by a blank.
    text: str
    #: Milliseconds by step.
    ms: Mapping[str, float]
    #: What to know about how well it could be read.
    warnings: tuple[str, ...] = ()
    #: Its tables, where they were asked for.
    tables: tuple[Table, ...] | None = None
    #: The languages it is read in, Tesseract's codes joined by +, where they were found by themselves.
    lang: str = ""

    def moved(self, box: Callable[[Box], Box], point: Callable[[float, float], tuple[float, float]]) -> Page:
        """The page with its lines and tables where *box* and *point* put them."""
        lines = tuple(replace(line, box=box(line.box)) for line in self.lines)
        tables = None if self.tables is None else tuple(table.moved(point) for table in self.tables)
        return replace(self, lines=lines, tables=tables)

    def record(self) -> dict[str, Any]:
        """The page as JSON values."""
        return {
            "text": self.text,
            "width": self.width,
            "height": self.height,
            "rotation": self.rotation,
            "paragraphs": [[index for index, _ in group] for _, group in groupby(enumerate(self.lines), _paragraph)],
            "lines": [line.record(str(number)) for number, line in enumerate(self.lines)],
            "ms": {step: round(value, 1) for step, value in self.ms.items()},
            **({"warnings": list(self.warnings)} if self.warnings else {}),
            **({"lang": self.lang} if self.lang else {}),
            **({"tables": [table.record() for table in self.tables]} if self.tables is not None else {}),
        }


def _paragraph(numbered: tuple[int, Line]) -> int:
    return numbered[1].paragraph
