"""Lines of CSV that a spreadsheet shows and does not run: text that would call something gets an apostrophe before."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from typing import Any

#: What spreadsheets take for a formula; after a sign, only what calls something: "-5 °C" and "+49 30 1234" are text.
FORMULA = re.compile(r"[=@\t\r]|[+-].*[(|!]", re.DOTALL)


def line(cells: Sequence[Any], end: str = "\r\n") -> str:
    """The *cells* as a line."""
    text = io.StringIO()
    csv.writer(text, lineterminator=end).writerow(map(_shown, cells))
    return text.getvalue()


def _shown(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and FORMULA.match(cell) else cell
