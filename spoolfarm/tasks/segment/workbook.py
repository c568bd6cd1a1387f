"""The workbook: tables of objects as an XLSX file, written row by row and never held in memory."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import IO, TYPE_CHECKING

from spoolfarm.tasks.segment.table import TOTAL, Row

if TYPE_CHECKING:
    from xlsxwriter.worksheet import Worksheet

#: The most rows that a sheet of this format has.
MOST_ROWS = 1_048_576
#: Characters that a column is wide, at least.
WIDE = 11


class Workbook:
    """A sheet of all rows, which goes on in another one when it is full, and a sheet of the rows of totals."""

    def __init__(self, file: IO[bytes], columns: Sequence[str], *, most_rows: int = MOST_ROWS) -> None:
        import xlsxwriter

        self._columns = columns
        self._most_rows = most_rows
        plain = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
        self._book = xlsxwriter.Workbook(file, plain)
        self._bold = self._book.add_format({"bold": True})
        self._more = 0
        self._all = self._sheet("objects")
        self._totals = self._sheet("pictures")

    def __enter__(self) -> Workbook:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._book.close()

    def add(self, row: Row) -> None:
        """Write *row*."""
        if self._all.rows == self._most_rows:
            self._more += 1
            self._all = self._sheet(f"objects {self._more + 1}")
        self._all.write(row)
        if row["row"] == TOTAL:
            self._totals.write(row)

    def _sheet(self, name: str) -> _Sheet:
        return _Sheet(self._book.add_worksheet(name), self._columns, self._bold)


class _Sheet:
    """A sheet under a line of names, with the number of its rows."""

    def __init__(self, sheet: Worksheet, columns: Sequence[str], bold: object) -> None:
        self._sheet = sheet
        self._columns = columns
        self._bold = bold
        for number, name in enumerate(columns):
            sheet.set_column(number, number, max(WIDE, len(name) + 1))
        sheet.freeze_panes(1, 0)
        sheet.write_row(0, 0, columns, bold)
        self.rows = 1

    def write(self, row: Row) -> None:
        style = (self._bold,) if row["row"] == TOTAL else ()
        for number, name in enumerate(self._columns):
            if (value := row.get(name)) is not None:
                self._sheet.write(self.rows, number, value, *style)
        self.rows += 1
