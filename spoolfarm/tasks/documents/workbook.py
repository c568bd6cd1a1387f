"""The workbook: the tables of pages as an XLSX file, each on a sheet of its own."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from spoolfarm.tasks.documents.page import Page
from spoolfarm.tasks.documents.tables import Table, of_page
from spoolfarm.tasks.documents.xml import FORBIDDEN

#: A number that means the same when it is written as one: no leading zeros, no more digits than are kept.
NUMBER = re.compile(r"-?(0|[1-9]\d{0,14})(\.\d{1,6})?")
#: One with signs between its thousands: only with decimals, for 1,240 is another number in German.
GROUPED = re.compile(r"-?[1-9]\d{0,2}(?:(?:,\d{3}){1,3}\.|(?:\.\d{3}){1,3},)(\d{1,3})")
#: The most characters that a cell of this format holds, and a sheet's rows and columns.
LONGEST, ROWS, COLUMNS = 32_767, 1_048_576, 16_384
#: Characters that a column is wide, at least and at most.
NARROW, WIDE = 8, 60


class Workbook:
    """Writes tables to *path*."""

    def __init__(self, path: Path) -> None:
        import xlsxwriter

        self._book = xlsxwriter.Workbook(str(path), {"strings_to_formulas": False, "strings_to_urls": False})
        self._styles: dict[str, Any] = {}
        self._sheets = 0

    def add(self, page: Page) -> None:
        """Write the tables of a page."""
        for number, table in enumerate(of_page(page), 1):
            self._write(self._book.add_worksheet(f"page {page.number} table {number}"), table)
            self._sheets += 1

    def close(self) -> None:
        """Finish the file; one without any table has an empty sheet."""
        if not self._sheets:
            self._book.add_worksheet("no table")
        self._book.close()

    def _write(self, sheet: Any, table: Table) -> None:
        widths = [NARROW] * table["columns"]
        for cell in table["cells"]:
            row, column = cell["row"], cell["column"]
            if row >= ROWS or column >= COLUMNS:
                continue
            value, pattern = _value(cell["text"])
            style = self._style(pattern)
            if cell["rows"] > 1 or cell["columns"] > 1:
                last = row + cell["rows"] - 1, column + cell["columns"] - 1
                sheet.merge_range(row, column, *last, value, style)
            else:
                sheet.write(row, column, value, style)
                widths[column] = max([widths[column], *map(len, cell["text"].splitlines())])
        for column, width in enumerate(widths):
            sheet.set_column(column, column, min(width + 1, WIDE))

    def _style(self, pattern: str) -> Any:
        """The style of cells whose numbers are shown by *pattern*."""
        if pattern not in self._styles:
            style = {"text_wrap": True, "valign": "top", "num_format": pattern}
            self._styles[pattern] = self._book.add_format(style)
        return self._styles[pattern]


def _value(text: str) -> tuple[str | float, str]:
    """What a cell holds, and the pattern by which a number is shown."""
    if NUMBER.fullmatch(text):
        return float(text), "General"
    if found := GROUPED.fullmatch(text):
        whole = text[: found.start(1)].replace(",", "").replace(".", "")
        return float(f"{whole}.{found[1]}"), "#,##0." + "0" * len(found[1])
    return FORBIDDEN.sub("\ufffd", text)[:LONGEST], "General"
