"""The searchable PDF: text where it is seen, and everything else as it was."""

from __future__ import annotations

import io
import re
import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pikepdf
import pytest
import tifffile
from pikepdf import Array, Dictionary, Name
from PIL import Image

from benchmarks import books
from spoolfarm import images
from spoolfarm.tasks.documents import page as typed
from spoolfarm.tasks.documents import pdf as pdfs
from spoolfarm.tasks.documents.glyphless_font import Font, program
from spoolfarm.tasks.documents.source import PdfSource, opened
from spoolfarm.tasks.ocr.box import Box
from spoolfarm.tasks.ocr.embedded_text import EmbeddedText
from spoolfarm.tasks.ocr.page import Line, Page, Word
from spoolfarm.tasks.ocr.pdf_page import PdfPage
from tests.unit.images.test_colour import SWAPPED, letters

#: A page in points, 100 x 200, whose lower left corner lies elsewhere.
BOX = (20, -50, 120, 150)
PIXELS = 50_000_000


def record(width: int, height: int, *lines: tuple[str, Box]) -> dict[str, Any]:
    """What `ocr` would say of *lines* on a picture."""
    found = []
    for text, box in lines:
        spans = [match.span() for match in re.finditer(r"\S+", text)]
        words = [Word(text[start:end], start / len(text), end / len(text)) for start, end in spans]
        found.append(Line(box, text, 0.99, 0.9, words=tuple(words)))
    return Page(width, height, 0, tuple(found), "", {}).record()


def blank(box: Sequence[float] = BOX, **entries: Any) -> pikepdf.Pdf:
    """A PDF of one page that is a grey square in the middle."""
    pdf = pikepdf.new()
    books.add(pdf, (1, 1), "0.8 g 60 40 20 20 re f")
    page = pdf.pages[0].obj
    page.MediaBox = Array(box)
    for name, value in entries.items():
        page[f"/{name}"] = value
    return pdf


def searchable(pdf: pikepdf.Pdf, said: dict[str, Any], path: Path) -> bytes:
    """The PDF with what was *said* of its first page."""
    made = pdfs.SearchablePdf(pdf, range(len(pdf.pages)))
    made.add(typed.Page.of(1, said))
    made.save(path)
    return path.read_bytes()


def lines_of(data: bytes, dpi: float = 144) -> list[Line]:
    with PdfPage(data, dpi, PIXELS) as page:
        return EmbeddedText(page, visible=False).lines()


def pdftotext(path: Path, *options: str) -> str:
    return subprocess.run(["pdftotext", *options, path, "-"], capture_output=True, text=True, check=True).stdout


def checked(path: Path) -> None:
    """Fail when qpdf has anything to say about the file."""
    done = subprocess.run(["qpdf", "--check", path], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, ""), done


TEXTS = ("Invoice 2026-118", "合同编号：第七号", "mixed 中文 and English 混合", "𠮷野家 beyond 𝒜 the plane")


@pytest.mark.parametrize("rotate", [0, 90, 180, 270, -90, 450])
@pytest.mark.parametrize("crop", [None, (30, -40, 110, 100), (-500, -500, 500, 500)])
def test_text_lies_where_it_is_seen_however_the_page_is_turned_and_cropped(
    rotate: int, crop: tuple[int, ...] | None, tmp_path: Path
) -> None:
    entries: dict[str, Any] = {"Rotate": rotate}
    if crop:
        entries["CropBox"] = Array(crop)
    pdf = blank(**entries)
    with PdfPage(books.written(pdf), 144, PIXELS) as page:
        width, height = page.width, page.height
        seen = page.picture()
    assert seen.shape[:2] == (height, width)
    box = Box(width * 0.4, height * 0.3, width * 0.5, 12, 0)
    down = Box(width * 0.8, height * 0.7, height * 0.4, 18, 90)
    data = searchable(pdf, record(width, height, (TEXTS[0], box), (TEXTS[1], down)), tmp_path / "out.pdf")
    checked(tmp_path / "out.pdf")
    first, second = lines_of(data)
    assert (first.text, second.text) == TEXTS[:2]
    for found, wanted in ((first.box, box), (second.box, down)):
        assert (found.cx, found.cy, found.w, found.h) == pytest.approx(
            (wanted.cx, wanted.cy, wanted.w, wanted.h), abs=1
        )
        assert found.angle == wanted.angle
    with PdfPage(data, 144, PIXELS) as page:
        assert np.array_equal(page.picture(), seen)


@pytest.mark.parametrize("text", TEXTS)
def test_every_character_is_found_again(text: str, tmp_path: Path) -> None:
    path = tmp_path / "out.pdf"
    box = Box(400, 100, 40 * Font.width(text), 40, 0)
    data = searchable(blank((0, 0, 400, 100)), record(800, 200, (text, box)), path)
    assert pdftotext(path).strip() == text
    [line] = lines_of(data)
    assert line.text == text
    assert [word.text for word in line.words] == text.split(" ")


@pytest.mark.parametrize("angle", [-7.0, -2.0, 0.7, 3.0, 11.0])
def test_a_page_that_is_askew_is_still_text_of_whole_lines(angle: float, tmp_path: Path) -> None:
    rows = [f"Row {number} of a page that was scanned askew" for number in range(8)]
    turn = np.deg2rad(angle)
    boxes = [
        Box(600 - np.sin(turn) * (number * 60 - 210), 400 + np.cos(turn) * (number * 60 - 210), 900, 36, angle)
        for number in range(8)
    ]
    path = tmp_path / "out.pdf"
    searchable(blank((0, 0, 600, 400)), record(1200, 800, *zip(rows, boxes, strict=True)), path)
    assert [row for row in pdftotext(path).splitlines() if row] == rows


def test_the_font_has_the_tables_of_a_font_and_their_sums() -> None:
    font = program()
    assert len(font) % 4 == 0
    assert sum(struct.unpack(f">{len(font) // 4}I", font)) % 2**32 == 0xB1B0AFBA
    sizes = {}
    for at in range(12, 12 + 16 * 6, 16):
        tag, total, start, size = struct.unpack(">4sIII", font[at : at + 16])
        table = font[start : start + size].ljust(-(-size // 4) * 4, b"\0")
        if tag != b"head":  # whose own sum is taken before the font's is put into it
            assert sum(struct.unpack(f">{len(table) // 4}I", table)) % 2**32 == total, tag
        sizes[tag] = size
    assert sizes == {b"glyf": 48, b"head": 54, b"hhea": 36, b"hmtx": 12, b"loca": 8, b"maxp": 32}


def test_columns_are_read_one_after_the_other(tmp_path: Path) -> None:
    left = [f"left column row {number} with some words" for number in range(12)]
    right = [f"right column row {number} with some words" for number in range(12)]
    boxes = [Box(x, 60 + 42 * number, 520, 32, 0) for x in (300, 900) for number in range(12)]
    path = tmp_path / "out.pdf"
    searchable(blank((0, 0, 600, 400)), record(1200, 800, *zip(left + right, boxes, strict=True)), path)
    assert [row for row in pdftotext(path).splitlines() if row] == left + right


def test_what_was_on_the_page_stays_byte_for_byte(tmp_path: Path) -> None:
    book = books.book(1, (400, 300))
    source = opened(book.pdf)
    before = source.pages[0].obj.Contents.read_raw_bytes()
    searchable(source, record(400, 300, ("text", Box(100, 100, 80, 20, 0))), tmp_path / "out.pdf")
    with pikepdf.open(tmp_path / "out.pdf") as made:
        page = made.pages[0]
        assert page.obj.Contents[1].read_raw_bytes() == before
        assert page.obj.Resources.XObject.Scan.read_raw_bytes() == book.scans[0]


def test_resources_that_pages_inherit_are_still_theirs(tmp_path: Path) -> None:
    pdf = opened(books.book(2, (400, 300)).pdf)
    shared = pdf.make_indirect(Dictionary(XObject=Dictionary(Scan=pdf.pages[0].obj.Resources.XObject.Scan)))
    for page in pdf.pages:
        del page.obj[Name.Resources]
    pdf.Root.Pages.Resources = shared
    data = books.written(pdf)
    with PdfPage(PdfSource(data, "").page(0), 150, PIXELS) as page:
        seen = page.picture()
    assert seen.min() < 100, "the scan is there"
    made = searchable(opened(data), record(400, 300, ("text", Box(100, 100, 80, 20, 0))), tmp_path / "out.pdf")
    for index in (0, 1):
        with PdfPage(PdfSource(made, "").page(index), 150, PIXELS) as page:
            assert np.array_equal(page.picture(), seen)


def test_a_page_without_any_content_gets_its_text(tmp_path: Path) -> None:
    pdf = blank()
    del pdf.pages[0].obj[Name.Contents]
    del pdf.pages[0].obj[Name.Resources]
    data = searchable(pdf, record(200, 400, ("text", Box(100, 100, 80, 20, 0))), tmp_path / "out.pdf")
    assert [line.text for line in lines_of(data)] == ["text"]


def test_text_that_the_page_has_already_is_not_written_again(tmp_path: Path) -> None:
    said = record(200, 400, ("there", Box(100, 100, 80, 20, 0)), ("new", Box(100, 200, 80, 20, 0)))
    said["lines"][0]["present"] = True
    data = searchable(blank(), said, tmp_path / "out.pdf")
    assert [line.text for line in lines_of(data)] == ["new"]


def test_to_redo_a_page_takes_away_the_invisible_text_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "out.pdf"
    pdf = pikepdf.new()
    books.add_drawn(pdf, ["seen by everybody"])
    first = searchable(pdf, record(595, 842, ("wrong", Box(300, 500, 80, 20, 0))), path)
    assert pdftotext(path).split() == ["seen", "by", "everybody", "wrong"]
    again = pdfs.SearchablePdf(opened(first), [0], redo=True)
    again.add(typed.Page.of(1, record(595, 842, ("right", Box(300, 500, 80, 20, 0)))))
    again.save(path)
    assert pdftotext(path).split() == ["seen", "by", "everybody", "right"]
    checked(path)


def test_only_the_chosen_pages_are_in_it(tmp_path: Path) -> None:
    made = pdfs.SearchablePdf(opened(books.book(3, (400, 300)).pdf), [0, 2])
    made.save(tmp_path / "out.pdf")
    with pikepdf.open(tmp_path / "out.pdf") as saved:
        assert len(saved.pages) == 2


# Pictures.


def picture(mode: str = "RGB", size: tuple[int, int] = (120, 80)) -> Image.Image:
    grain = np.random.default_rng(1).integers(0, 256, (size[1], size[0], 4), np.uint8)
    return Image.fromarray(grain if mode == "RGBA" else grain[..., :3]).convert(mode)


def file_of(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def shown(data: bytes, tmp_path: Path) -> np.ndarray[Any, Any]:
    """The page of the PDF that *data* becomes, as poppler draws it, in RGB."""
    return extracted(data, tmp_path, "pdftoppm", "-r", "72", "-png")


def extracted(data: bytes, tmp_path: Path, *command: str) -> np.ndarray[Any, Any]:
    """The one picture that *command* makes of the PDF that *data* becomes."""
    pdfs.of_picture(data, 72).save(tmp_path / "out.pdf")
    checked(tmp_path / "out.pdf")
    subprocess.run([*command, tmp_path / "out.pdf", tmp_path / "page"], check=True)
    [page] = tmp_path.glob("page*.png")
    return np.asarray(Image.open(page).convert("RGB"))


@pytest.mark.parametrize(
    ("mode", "kind"),
    [
        *(("RGB", "PNG"), ("L", "PNG"), ("1", "PNG"), ("P", "PNG"), ("RGBA", "PNG"), ("RGB", "BMP"), ("P", "GIF")),
        *(("RGB", "WEBP"), ("1", "TIFF"), ("L", "TIFF"), ("RGB", "TIFF"), ("CMYK", "TIFF")),
    ],
)
def test_a_picture_becomes_a_page_without_losing_a_pixel(mode: str, kind: str, tmp_path: Path) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}
    image = picture(mode)
    data = file_of(image, kind, **options)
    wanted = image.convert("RGB")
    if mode == "RGBA":
        wanted = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    assert np.array_equal(extracted(data, tmp_path, "pdfimages", "-png"), np.asarray(wanted))


def test_light_letters_on_nothing_colours_and_deep_samples_are_in_the_pdf_as_the_farm_sees_them(tmp_path: Path) -> None:
    planes, big, numbers = io.BytesIO(), io.BytesIO(), np.arange(24 * 16 * 3).reshape(3, 24, 16)
    tifffile.imwrite(planes, numbers.astype(np.uint16) * 50, photometric="rgb", planarconfig="separate")
    tifffile.imwrite(big, numbers[0].astype(np.int16), photometric="minisblack", bigtiff=True)
    for number, data in enumerate(
        (
            file_of(letters((255, 255, 255)), "PNG"),
            file_of(picture(), "PNG", icc_profile=SWAPPED),
            file_of(picture(), "TIFF", icc_profile=SWAPPED),
            file_of(picture(), "AVIF"),
            planes.getvalue(),
            big.getvalue(),
        )
    ):
        place = tmp_path / str(number)
        place.mkdir()
        assert np.array_equal(extracted(data, place, "pdfimages", "-png"), images.decode(data)[..., ::-1]), number


def test_a_jpeg_goes_in_as_it_is(tmp_path: Path) -> None:
    data = file_of(picture(), "JPEG", dpi=(240, 240))
    pdf = pdfs.of_picture(data)
    image = pdf.pages[0].obj.Resources.XObject.Picture
    assert image.read_raw_bytes() == data
    assert [float(side) for side in pdf.pages[0].mediabox] == [0, 0, 36, 24]


def test_a_plain_png_is_not_compressed_again(tmp_path: Path) -> None:
    data = file_of(picture(), "PNG", compress_level=1)
    pdf = pdfs.of_picture(data)
    assert pdf.pages[0].obj.Resources.XObject.Picture.read_raw_bytes() in data


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_turned_picture_is_shown_upright(orientation: int, kind: str, tmp_path: Path) -> None:
    corner = Image.new("L", (120, 80), 255)
    corner.paste(0, (0, 0, 40, 20))
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = file_of(corner, kind, exif=exif)
    upright = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    found = shown(data, tmp_path)
    assert found.shape == upright.shape
    assert np.abs(found.astype(int) - upright).mean() < 4


def test_a_picture_that_does_not_say_how_large_it_is_fits_a_page() -> None:
    pdf = pdfs.of_picture(file_of(picture(size=(3000, 2000)), "JPEG"))
    assert float(pdf.pages[0].mediabox[2]) == pytest.approx(842, abs=0.1)


# Embedded text.


def test_a_scan_has_nothing_and_a_drawn_page_its_letters() -> None:
    scan, drawn = books.book(1, (400, 300)).pdf, pikepdf.new()
    books.add_drawn(drawn, ["Enough of this (and that)", "to be read"])
    with PdfPage(scan, None, PIXELS) as page:
        assert (page.width, page.height) == (400, 300)
        assert page.drawing.covered == pytest.approx(1)
        assert not EmbeddedText(page, visible=False).enough(page)
    with PdfPage(books.written(drawn), None, PIXELS) as page:
        text = EmbeddedText(page, visible=True)
        assert text.enough(page)
        assert [line.text for line in text.lines()] == ["Enough of this (and that)", "to be read"]


def test_a_stamp_on_a_scan_does_not_pass_for_its_text_and_is_not_read_with_it() -> None:
    scan = books.book(1, (400, 300)).pdf
    pdf = opened(scan)
    page = pdf.pages[0]
    page.obj.Resources.Font = Dictionary(F=Dictionary(Type=Name.Font, Subtype=Name.Type1, BaseFont=Name.Helvetica))
    page.contents_add(b"BT /F 8 Tf 5 5 Td (Received 1 May) Tj ET")
    with PdfPage(books.written(pdf), None, PIXELS) as found, PdfPage(scan, None, PIXELS) as bare:
        text = EmbeddedText(found, visible=False)
        assert not text.enough(found)
        assert [line.text for line in text.lines()] == ["Received 1 May"]
        assert not np.array_equal(found.picture(), bare.picture())
        assert np.array_equal(found.picture(without=text.objects()), bare.picture())


def test_letters_that_stand_for_nothing_are_no_text(tmp_path: Path) -> None:
    data = searchable(blank(), record(200, 400, ("\ue123\ue124\ue125\ue126", Box(100, 100, 80, 20, 0))), tmp_path / "o")
    with PdfPage(data, 144, PIXELS) as page:
        text = EmbeddedText(page, visible=False)
        assert not text.letters
        assert not text.enough(page)


# Rendering.


def filled_in() -> bytes:
    """A page with a line of letters and a form field with another one, which are no letters of the page."""
    pdf = pikepdf.new()
    books.add_drawn(pdf, ["Name:"])
    helvetica = Dictionary(Type=Name.Font, Subtype=Name.Type1, BaseFont=Name.Helvetica)
    look = pdf.make_stream(
        b"/Tx BMC q BT /H 12 Tf 2 5 Td (Ada Lovelace) Tj ET Q EMC",
        Type=Name.XObject,
        Subtype=Name.Form,
        BBox=Array([0, 0, 150, 20]),
        Resources=Dictionary(Font=Dictionary(H=helvetica)),
    )
    field = Dictionary(Type=Name.Annot, Subtype=Name.Widget, FT=Name.Tx, T=b"name", F=4, AP=Dictionary(N=look))
    field.Rect = Array([150, 700, 300, 720])
    pdf.pages[0].obj.Annots = Array([pdf.make_indirect(field)])
    pdf.Root.AcroForm = Dictionary(Fields=pdf.pages[0].obj.Annots)
    return books.written(pdf)


def test_what_is_filled_into_a_form_is_seen() -> None:
    whole = filled_in()
    with PdfPage(whole, 100, PIXELS) as page:
        wanted = page.picture()
    with PdfPage(PdfSource(whole, "").page(0), 100, PIXELS) as page:
        assert np.array_equal(page.picture(), wanted)
        text = EmbeddedText(page, visible=False)
        assert text.enough(page)
        assert [line.text for line in text.lines()] == ["Name:", "Ada Lovelace"]
    assert wanted[165:200, 208:400].min() < 100


def test_a_huge_page_is_rendered_coarsely_enough() -> None:
    pdf = blank((0, 0, 14400, 14400))
    with PdfPage(books.written(pdf), 300, 1_000_000) as page:
        assert page.width * page.height <= 1_000_000
        assert page.picture().shape == (page.height, page.width, 3)
        assert page.dpi < 6
