"""The tables of pages, as CSV and HTML: one after another."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

from spoolfarm import csv_lines
from spoolfarm.tasks.documents.page import Page
from spoolfarm.tasks.documents.xml import text

#: What stands in a table as `ocr` answers it.
Table = Mapping[str, Any]

HEAD = """<!DOCTYPE html>
<html>
<head>
<meta charset="utf-8">
<title>{title}</title>
<style>table {{ border-collapse: collapse; margin: 1em }} td {{ border: 1px solid; padding: .2em .5em }}</style>
</head>
<body>
"""


class Csv:
    """Writes tables as comma-separated values, a blank line between two."""

    def __init__(self) -> None:
        self._between = ""

    def begin(self, title: str) -> str:
        return "\ufeff"  # without it, a spreadsheet takes the letters for those of its country

    def page(self, page: Page) -> str:
        written = io.StringIO()
        for table in of_page(page):
            written.write(self._between)
            written.writelines(csv_lines.line(row, "\n") for row in grid(table))
            self._between = "\n"
        return written.getvalue()

    def end(self) -> str:
        return ""


class Html:
    """Writes tables as HTML, cells over several rows and columns included."""

    def begin(self, title: str) -> str:
        return HEAD.format(title=text(title))

    def page(self, page: Page) -> str:
        return "".join(f'<table data-page="{page.number}">\n{_rows(table)}</table>\n' for table in of_page(page))

    def end(self) -> str:
        return "</body>\n</html>\n"


def of_page(page: Page) -> Sequence[Table]:
    """The tables of *page*; none of one that could not be read."""
    found: Sequence[Table] = page.record.get("tables", ())
    return found


def grid(table: Table) -> list[list[str]]:
    """The text of each place of *table*; a cell's is at its first row and column."""
    places = [[""] * table["columns"] for _ in range(table["rows"])]
    for cell in table["cells"]:
        places[cell["row"]][cell["column"]] = cell["text"]
    return places


def _rows(table: Table) -> str:
    written = []
    for row in range(table["rows"]):
        cells = [_cell(cell) for cell in table["cells"] if cell["row"] == row]
        written.append(f"<tr>{''.join(cells)}</tr>\n")
    return "".join(written)


def _cell(cell: Mapping[str, Any]) -> str:
    spans = "".join(
        f' {name}="{cell[count]}"' for name, count in (("rowspan", "rows"), ("colspan", "columns")) if cell[count] > 1
    )
    return f"<td{spans}>{'<br>'.join(map(text, cell['text'].splitlines()))}</td>"
