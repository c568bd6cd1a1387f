"""Lines of CSV: what a spreadsheet would run is text, and numbers stay what they are."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from spoolfarm.csv_lines import line


@pytest.mark.parametrize(
    "cell",
    ["=1+1", "=HYPERLINK(A1)", "@SUM(1)", "+SUM(1)", "-2+3+cmd|' /C calc'!A0", "\t=1", "\r=1", "=", "+1\n-A(2)"],
)
def test_what_would_be_a_formula_is_text(cell: str) -> None:
    assert [*csv.reader(io.StringIO(line(["a.jpg", cell]), newline=""))] == [["a.jpg", f"'{cell}"]]


@pytest.mark.parametrize(
    "cell",
    ["", "-", "-5", "+5 %", "-1.240,00", "-5 °C", "+49 30 1234", "-a.jpg", "a=b", "1-2", "'=1", " =1", "图,1.jpg", -5],
)
def test_numbers_and_all_other_text_stay_as_they_are(cell: Any) -> None:
    assert [*csv.reader(io.StringIO(line([cell, "b"], "\n")))] == [[str(cell), "b"]]
