"""The ruby: small kana beside Chinese letters that tell how these are read. They part no line from the next."""

from __future__ import annotations

from collections.abc import Sequence

from spoolfarm.tasks.ocr.cell import Cell

#: Of ruby, at least this part is read as kana, and it is at most so many times as high as the line it belongs to.
KANA, SMALL = 0.7, 0.7
#: Its middle is at most so many of that line's heights above it, and so many of its own heights beyond its ends.
ABOVE, BEYOND = 1.1, 0.5


def bases(cells: Sequence[Cell]) -> dict[Cell, Cell]:
    """The ruby among *cells*, whose lines lie level, and the line below each to which it belongs."""
    found = {}
    for cell in cells:
        letters = "".join(cell.line.text.split())
        if sum(map(_is_kana, letters)) >= KANA * len(letters):
            below = [other for other in cells if _belongs(cell, other)]
            if below:
                found[cell] = min(below, key=lambda other: other.middle)
    return found


def _belongs(ruby: Cell, base: Cell) -> bool:
    beyond = BEYOND * ruby.height
    return (
        ruby.height <= SMALL * base.height
        and 0 < base.middle - ruby.middle <= ABOVE * base.height
        and base.left - beyond <= ruby.left
        and ruby.right <= base.right + beyond
        and any("\u3400" <= letter <= "\u9fff" for letter in base.line.text)
    )


def _is_kana(letter: str) -> bool:
    return "\u3041" <= letter <= "\u30ff"
