"""TSV: a row for each word, in the columns that Tesseract made common."""

from __future__ import annotations

from spoolfarm.tasks.documents.page import Page

#: `level` is 1 for a page, 2 block, 3 paragraph, 4 line, 5 word; `conf` 0 to 100, -1 where there is none.
COLUMNS = [
    "level",
    "page_num",
    "block_num",
    "par_num",
    "line_num",
    "word_num",
    "left",
    "top",
    "width",
    "height",
    "conf",
    "text",
]


class Tsv:
    """Writes pages as tab-separated values."""

    def begin(self, title: str) -> str:
        return "\t".join(COLUMNS) + "\n"

    def page(self, page: Page) -> str:
        number = page.number
        rows = [_row(1, (number, 0, 0, 0, 0), (0, 0, page.width, page.height))]
        for b, block in enumerate(page.blocks, 1):
            rows.append(_row(2, (number, b, 0, 0, 0), block.box))
            for p, paragraph in enumerate(block.paragraphs, 1):
                rows.append(_row(3, (number, b, p, 0, 0), paragraph.box))
                for n, line in enumerate(paragraph.lines, 1):
                    rows.append(_row(4, (number, b, p, n, 0), line.box))
                    for w, word in enumerate(line.words, 1):
                        rows.append(_row(5, (number, b, p, n, w), word.box, 100 * line.score, word.text))
        return "".join(rows)

    def end(self) -> str:
        return ""


def _row(level: int, numbers: tuple[int, ...], box: tuple[int, ...], score: float = -1, text: str = "") -> str:
    left, top, right, bottom = box
    shown = f"{score:.2f}" if score >= 0 else "-1"
    # A tab or a line break in a text would be another cell.
    cells = (level, *numbers, left, top, right - left, bottom - top, shown, " ".join(text.split()))
    return "\t".join(map(str, cells)) + "\n"
