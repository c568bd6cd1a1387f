"""Invisible text: what an earlier reader left on a page, taken away."""

from __future__ import annotations

import pikepdf
from pikepdf import Array, Name, Operator

from spoolfarm.errors import TooLarge
from spoolfarm.tasks.documents import page_cost

#: The rendering mode of text that is not seen.
INVISIBLE = 3
#: Operators that show text; the last two also move to the next line, which matters only to what follows them.
SHOWS = {Operator(each) for each in ("Tj", "TJ", "'", '"')}
SAVE, RESTORE, MODE = Operator("q"), Operator("Q"), Operator("Tr")


def remove(pdf: pikepdf.Pdf, page: pikepdf.Page) -> None:
    """Leave the invisible text out of the page's content; one that is large or cannot be parsed stays as it is."""
    try:
        if page_cost.check(page).read > page_cost.LARGE:
            return
        instructions = pikepdf.parse_content_stream(page)
    except (pikepdf.PdfError, TooLarge):
        return
    mode = 0
    modes = []
    kept = []
    dropped = False
    for instruction in instructions:
        operator = instruction.operator
        if operator == SAVE:
            modes.append(mode)
        elif operator == RESTORE:
            mode = modes.pop() if modes else mode
        elif operator == MODE and instruction.operands:
            mode = int(instruction.operands[0])
        if operator in SHOWS and mode == INVISIBLE:
            dropped = True
        else:
            kept.append(instruction)
    if dropped:
        page.obj[Name.Contents] = Array([pdf.make_stream(pikepdf.unparse_content_stream(kept))])
