"""Lines of CSV that a spreadsheet shows and does not run: text that would be a formula gets an apostrophe before it."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from typing import Any

#: What spreadsheets take for a formula; a number after its sign is none.
FORMULA = re.compile(r"[=@\t\r]|[+-](?![\d\s.,%]*\Z)")


def line(cells: Sequence[Any], end: str = "\r\n") -> str:
    """The *cells* as a line."""
    text = io.StringIO()
    csv.writer(text, lineterminator=end).writerow(map(_shown, cells))
    return text.getvalue()


def _shown(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and FORMULA.match(cell) else cell
