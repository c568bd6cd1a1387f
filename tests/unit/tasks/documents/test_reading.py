"""Reading single pages of PDF files, and making files of pictures, with the real models."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pikepdf
import pytest
from pikepdf import Dictionary, Name

from benchmarks import books, pages
from spoolfarm.spool.job import Job
from spoolfarm.tasks import Answer, Limits
from spoolfarm.tasks.documents.source import opened
from spoolfarm.tasks.ocr.task import Ocr
from tests.unit.tasks.documents.test_pdf import filled_in

SHORT = (1000, 250)


class Alone:
    """A context with a place for files."""

    def __init__(self, path: Path, pixels: int = 50_000_000) -> None:
        self.limits = Limits(pixels)
        self._path = path

    def scratch(self) -> Path:
        return self._path


@pytest.fixture(scope="module")
def ocr() -> Ocr:
    task = Ocr()
    task.setup()
    return task


def read(ocr: Ocr, data: bytes, path: Path, pixels: int = 50_000_000, **params: Any) -> Any:
    [found] = ocr.run([Job("ocr", ocr.validate(params), [data])], Alone(path, pixels))  # type: ignore[arg-type]
    return found


def stamped(*, invisible: str = "") -> books.Book:
    """A scan with a stamp in letters, and perhaps what an earlier reader left."""
    book = books.book(1, SHORT)
    pdf = opened(book.pdf)
    helvetica = Dictionary(Type=Name.Font, Subtype=Name.Type1, BaseFont=Name.Helvetica)
    pdf.pages[0].obj.Resources.Font = Dictionary(F=helvetica)
    pdf.pages[0].contents_add(b"BT /F 10 Tf 300 5 Td (Received 1 May) Tj ET")
    if invisible:
        pdf.pages[0].contents_add(f"BT 3 Tr /F 10 Tf 43 80 Td ({invisible}) Tj ET".encode())
    return books.Book(books.written(pdf), book.texts, book.scans)


def test_a_scan_is_read_as_it_was_scanned(ocr: Ocr, tmp_path: Path) -> None:
    book = books.book(2, SHORT)
    record = read(ocr, book.pdf, tmp_path)
    assert (record["width"], record["height"], record["source"]) == (*SHORT, "ocr")
    assert record["dpi"] == pytest.approx(books.SCAN, abs=0.1)
    assert books.errors(record["text"], book.texts[0]) == 0
    assert not any("present" in line for line in record["lines"])


def test_a_page_whose_picture_cannot_be_drawn_says_so(ocr: Ocr, tmp_path: Path) -> None:
    pdf = opened(books.book(1, SHORT).pdf)
    picture = pdf.pages[0].obj.Resources.XObject.Scan
    assert "warnings" not in read(ocr, books.written(pdf), tmp_path)
    picture.write(b"no picture", filter=Name.DCTDecode)
    [warning] = read(ocr, books.written(pdf), tmp_path)["warnings"]
    assert "a picture on the page is damaged" in warning


def test_a_page_with_letters_is_not_read(ocr: Ocr, tmp_path: Path) -> None:
    pdf = pikepdf.new()
    books.add_drawn(pdf, ["0O1lI| as they are", "not as they look"])
    record = read(ocr, books.written(pdf), tmp_path)
    assert record["source"] == "text"
    assert record["text"] == "0O1lI| as they are\nnot as they look"
    assert [line["score"] for line in record["lines"]] == [1, 1]
    assert list(record["ms"]) == ["decode"]


def test_a_stamp_on_a_scan_is_taken_and_the_rest_is_read(ocr: Ocr, tmp_path: Path) -> None:
    book = stamped()
    record = read(ocr, book.pdf, tmp_path)
    assert record["source"] == "ocr"
    assert books.errors(record["text"], book.texts[0] + "Received 1 May") == 0
    assert [line["text"] for line in record["lines"] if line.get("present")] == ["Received 1 May"]


def test_what_an_earlier_reader_left_is_kept_or_read_again(ocr: Ocr, tmp_path: Path) -> None:
    book = stamped(invisible="wrong " * 40)
    kept = read(ocr, book.pdf, tmp_path)
    assert kept["source"] == "text"
    assert "wrong" in kept["text"]
    again = read(ocr, book.pdf, tmp_path, existing="redo")
    assert again["source"] == "ocr"
    assert books.errors(again["text"], book.texts[0] + "Received 1 May") == 0
    assert [line["text"] for line in again["lines"] if line.get("present")] == ["Received 1 May"]


def test_a_form_is_read_with_what_is_filled_in(ocr: Ocr, tmp_path: Path) -> None:
    record = read(ocr, filled_in(), tmp_path)
    assert [line["text"] for line in record["lines"]] == ["Name:", "Ada Lovelace"]
    assert record["source"] == "text"


@pytest.mark.parametrize("rotate", [90, 180, 270])
def test_a_page_is_read_as_a_viewer_shows_it(ocr: Ocr, rotate: int, tmp_path: Path) -> None:
    book = books.book(1, SHORT)
    pdf = opened(book.pdf)
    pdf.pages[0].obj.Rotate = rotate
    record = read(ocr, books.written(pdf), tmp_path)
    assert record["rotation"] == rotate
    assert books.errors(record["text"], book.texts[0]) == 0


def test_a_page_of_too_many_pixels_is_rendered_coarser(ocr: Ocr, tmp_path: Path) -> None:
    record = read(ocr, books.book(1, SHORT).pdf, tmp_path, pixels=100_000)
    assert 80_000 < record["width"] * record["height"] <= 100_000


@pytest.mark.parametrize("data", [b"%PDF-1.4 of a kind", books.written(pikepdf.new())])
def test_a_pdf_that_is_none_is_a_broken_image(ocr: Ocr, data: bytes, tmp_path: Path) -> None:
    assert read(ocr, data, tmp_path).code == "broken_image"


def test_two_columns_are_two_paragraphs_and_a_pdf_that_selects_one_after_the_other(ocr: Ocr, tmp_path: Path) -> None:
    page = pages.render("columns")
    found = read(ocr, page.jpeg(), tmp_path, outputs=["pdf", "hocr", "text"])
    assert isinstance(found, Answer)
    assert sorted(found.files) == ["document.hocr.html", "document.pdf", "document.txt"]
    heading, left, right = found.value["paragraphs"]
    assert len(heading) == 1
    assert min(len(left), len(right)) > 20
    made = tmp_path / "document.pdf"
    done = subprocess.run(["pdftotext", made, "-"], capture_output=True, text=True, check=True)
    assert books.errors(done.stdout, page.text) == 0, "in reading order: the left column first"
    with pikepdf.open(made) as pdf:
        assert pdf.pages[0].obj.Resources.XObject.Picture.read_raw_bytes() == page.jpeg()
    assert books.errors((tmp_path / "document.txt").read_text(), page.text) == 0


def test_a_damaged_picture_has_no_files(ocr: Ocr, tmp_path: Path) -> None:
    jpeg = pages.render("small").jpeg()
    assert read(ocr, jpeg[: len(jpeg) // 2], tmp_path, outputs=["pdf"]).code == "broken_image"


def test_a_searchable_pdf_is_not_read_again(ocr: Ocr, tmp_path: Path) -> None:
    book = books.book(2, (1000, 560), seed=1)
    assert book.scans[1] is not None
    read(ocr, book.scans[1], tmp_path, outputs=["pdf"])
    record = read(ocr, (tmp_path / "document.pdf").read_bytes(), tmp_path)
    assert record["source"] == "text"
    assert books.errors(record["text"], book.texts[1]) == 0
