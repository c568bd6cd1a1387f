"""The files made of tables: CSV, HTML and XLSX."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from spoolfarm.tasks.documents.outputs import NAMES, TABLES, Outputs
from spoolfarm.tasks.documents.page import Page


def cell(row: int, column: int, text: str, rows: int = 1, columns: int = 1) -> dict[str, Any]:
    return {"row": row, "column": column, "rows": rows, "columns": columns, "text": text, "poly": [], "lines": []}


GOODS = {
    "rows": 3,
    "columns": 2,
    "cells": [
        cell(0, 0, "goods <new>", columns=2),
        cell(1, 0, 'bolts, "M8"\nsteel'),
        cell(1, 1, "1240.5"),
        cell(2, 0, "=SUM(A1)"),
        cell(2, 1, "007"),
    ],
}
SECOND = {"rows": 1, "columns": 2, "cells": [cell(0, 0, "x"), cell(0, 1, "y")]}


def page(number: int, *tables: dict[str, Any]) -> Page:
    return Page.of(number, {"text": "", "width": 1, "height": 1, "lines": [], "paragraphs": [], "tables": list(tables)})


def written(folder: Path, *read: Page) -> dict[str, Path]:
    with Outputs(folder, TABLES, "document") as outputs:
        for each in read:
            outputs.add(each)
    return {name: outputs.paths[NAMES[name]] for name in TABLES}


def test_tables_as_comma_separated_values_are_parted_by_blank_lines(tmp_path: Path) -> None:
    text = written(tmp_path, page(1, GOODS, SECOND), page(2), page(3, SECOND))["csv"].read_text("utf-8-sig")
    assert list(csv.reader(io.StringIO(text))) == [
        ["goods <new>", ""],
        ['bolts, "M8"\nsteel', "1240.5"],
        ["'=SUM(A1)", "007"],
        [],
        ["x", "y"],
        [],
        ["x", "y"],
    ]


def test_tables_as_html_have_their_cells_over_several_columns(tmp_path: Path) -> None:
    document = etree.HTML(written(tmp_path, page(1, GOODS), page(2, SECOND))["html"].read_bytes())
    assert [table.get("data-page") for table in document.iter("table")] == ["1", "2"]
    (first, *_) = document.iter("td")
    assert (first.get("colspan"), first.get("rowspan"), first.text) == ("2", None, "goods <new>")
    assert [row.xpath("count(td)") for row in document.iter("tr")] == [1, 2, 2, 2]


def test_a_workbook_has_a_sheet_for_each_table_with_numbers_as_numbers_and_no_formulas(tmp_path: Path) -> None:
    with zipfile.ZipFile(written(tmp_path, page(1, GOODS, SECOND), page(4, SECOND))["xlsx"]) as book:
        names = re.findall(r'<sheet name="([^"]+)"', book.read("xl/workbook.xml").decode())
        sheet = book.read("xl/worksheets/sheet1.xml").decode()
        strings = book.read("xl/sharedStrings.xml").decode()
    assert names == ["page 1 table 1", "page 1 table 2", "page 4 table 1"]
    assert '<mergeCell ref="A1:B1"/>' in sheet
    assert "<v>1240.5</v>" in sheet
    assert "<f>" not in sheet
    assert ">=SUM(A1)<" in strings
    assert ">007<" in strings


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("1,240.00", "1240"), ("1.240,00", "1240"), ("-12,345,678.5", "-12345678.5")),
        *(("1,240", None), ("1.240.000", None), ("12,40.00", None), ("0,240.00", None), ("1,240.000,00", None)),
    ],
)
def test_a_number_with_signs_between_thousands_is_one_where_it_can_only_be_one(
    text: str, value: str | None, tmp_path: Path
) -> None:
    table = {"rows": 1, "columns": 1, "cells": [cell(0, 0, text)]}
    with zipfile.ZipFile(written(tmp_path, page(1, table))["xlsx"]) as book:
        sheet = book.read("xl/worksheets/sheet1.xml").decode()
        styles = book.read("xl/styles.xml").decode()
    assert ('t="s"' in sheet) == (value is None)
    assert value is None or (f"<v>{value}</v>" in sheet and 'formatCode="#,##0.0' in styles)


def test_a_page_that_could_not_be_read_and_one_without_tables_leave_files_that_open(tmp_path: Path) -> None:
    made = written(tmp_path, Page.of(1, {"error": "broken", "code": "broken_image"}), page(2))
    assert made["csv"].read_text("utf-8-sig") == ""
    assert not list(etree.HTML(made["html"].read_bytes()).iter("table"))
    assert zipfile.ZipFile(made["xlsx"]).testzip() is None
