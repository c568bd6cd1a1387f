"""Text written into pages with something odd about them: lines beyond their edges, entries of the wrong kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pikepdf import Name, String

from spoolfarm.tasks.ocr.box import Box
from tests.unit.tasks.documents.test_pdf import blank, pdftotext, record, searchable


@pytest.mark.parametrize("angle", [0, 90, 180, -90])
def test_a_line_that_reaches_beyond_the_page_keeps_its_letters(angle: float, tmp_path: Path) -> None:
    said = record(200, 200, ("SCAN 4711", Box(100, 100, 206, 20, angle)), ("Total", Box(100, 196, 80, 20, 180)))
    searchable(blank((0, 0, 100, 100)), said, tmp_path / "out.pdf")
    assert sorted(pdftotext(tmp_path / "out.pdf").split()) == ["4711", "SCAN", "Total"]


@pytest.mark.parametrize("key", ["/Rotate", "/Resources", "/Contents", "/Parent", "/Font"])
@pytest.mark.parametrize("value", [Name.Wrong, 7, String("no")])
def test_a_page_with_something_wrong_in_it_gets_its_text(key: str, value: Any, tmp_path: Path) -> None:
    pdf = blank()
    page = pdf.pages[0]
    (page.resources if key == "/Font" else page.obj)[key] = value
    said = record(200, 400, ("text", Box(100, 100, 80, 20, 0)))
    searchable(pdf, said, tmp_path / "out.pdf")
    assert pdftotext(tmp_path / "out.pdf").split() == ["text"]
