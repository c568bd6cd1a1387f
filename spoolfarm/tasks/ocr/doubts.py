"""Doubts: the fonts of a PDF whose letters look like others than the file says they are."""

from __future__ import annotations

import difflib
from collections import defaultdict

from spoolfarm.tasks.ocr.embedded_text import EmbeddedText, box_of, in_lines
from spoolfarm.tasks.ocr.pdf_letters import Letter
from spoolfarm.tasks.ocr.pdf_page import PdfPage
from spoolfarm.tasks.ocr.reader import Reader

#: Lines of each font that are read, the longest, and letters that a line must have to tell anything.
LINES, SHORTEST = 3, 4
#: A reading as sure as this is believed, also against letters that the reader does not know.
SURE, SURER = 0.88, 0.97
#: A font is wrong when less than this part of its letters is what is seen.
ALIKE = 0.5


def doubtful(text: EmbeddedText, page: PdfPage, reader: Reader) -> set[int]:
    """The fonts of *page* whose letters, read from the picture, are not those of *text*."""
    by_font: dict[int, list[list[Letter]]] = defaultdict(list)
    for line in in_lines(text.seen):
        fonts = {letter.drawn.font for letter in line if letter.drawn}
        if len(fonts) == 1 and len(line) >= SHORTEST:
            by_font[fonts.pop()].append(line)
    if not by_font:
        return set()
    picture = page.picture()
    wrong = set()
    for font, lines in by_font.items():
        alike, total = 0.0, 0
        for line in sorted(lines, key=len)[-LINES:]:
            said = "".join(letter.text for letter in line)
            seen, score = reader.line(picture, box_of(line))
            if score >= (SURE if reader.knows(said) else SURER):
                matcher = difflib.SequenceMatcher(None, said, "".join(seen.split()), autojunk=False)
                alike, total = alike + matcher.ratio() * len(line), total + len(line)
        if total and alike < ALIKE * total:
            wrong.add(font)
    return wrong
