"""Pages of letters and pictures: everything that is seen is read once, and nothing else."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pikepdf
import pytest
from pikepdf import Array, Dictionary, Name, Stream, String

from benchmarks import books, pages
from spoolfarm.errors import BrokenImage
from spoolfarm.tasks.documents import page as typed
from spoolfarm.tasks.documents import pdf as pdfs
from spoolfarm.tasks.documents.source import PdfSource
from spoolfarm.tasks.ocr.embedded_text import EmbeddedText
from spoolfarm.tasks.ocr.pdf_letters import Letter
from spoolfarm.tasks.ocr.pdf_page import PdfPage
from spoolfarm.tasks.ocr.task import Ocr
from tests.unit.tasks.documents.test_pdf import checked, pdftotext, record
from tests.unit.tasks.documents.test_reading import read

#: A page in points.
SIZE = (400, 200)


@pytest.fixture(scope="module")
def ocr() -> Ocr:
    task = Ocr()
    task.setup()
    return task


def helvetica(**entries: Any) -> Dictionary:
    known = {"Type": Name.Font, "Subtype": Name.Type1, "BaseFont": Name.Helvetica, "Encoding": Name.WinAnsiEncoding}
    return Dictionary(**{**known, **entries})


def drawn(content: str, **resources: Any) -> pikepdf.Pdf:
    """A PDF of one page with *content*, which may write with the font /F."""
    pdf = pikepdf.new()
    books.add(pdf, SIZE, content, Font=Dictionary(F=pdf.make_indirect(helvetica())), **resources)
    return pdf


def written(x: float, y: float, text: str, mode: int = 0) -> str:
    return f"BT /F 12 Tf {mode} Tr {x} {y} Td ({text}) Tj ET "


def picture(pdf: pikepdf.Pdf, pixels: np.ndarray[Any, Any]) -> Stream:
    """A grey picture."""
    done, jpeg = cv2.imencode(".jpg", pixels)
    assert done
    image = pdf.make_stream(jpeg.tobytes(), Type=Name.XObject, Subtype=Name.Image, Width=pixels.shape[1])
    image.Height, image.ColorSpace, image.BitsPerComponent = pixels.shape[0], Name.DeviceGray, 8
    image.Filter = Name.DCTDecode
    return image


def scan(*rows: tuple[int, int, str], size: tuple[int, int] = (800, 400)) -> np.ndarray[Any, Any]:
    """A scan at 144 dots per inch with rows of (x, y, text)."""
    sheet = pages.Sheet(*size)
    for x, y, text in rows:
        sheet.row(y, [(x, text)], pages.font("DejaVu Sans", 24))
    return np.asarray(sheet.image)


def letters_of(pdf: pikepdf.Pdf, *, visible: bool = False) -> list[str]:
    """The lines of letters of a page as a worker gets it."""
    with PdfPage(PdfSource(books.written(pdf), "").page(0), None, 10**7) as page:
        return [line.text for line in EmbeddedText(page, visible=visible).lines()]


def test_a_form_that_was_scanned_in_strips_and_typed_over_is_read_once(ocr: Ocr, tmp_path: Path) -> None:
    form = scan((40, 60, "Name:"), (40, 140, "Customer number:"), (40, 300, "Signed at Hamburg"))
    pdf = drawn(written(90, 161, "Ada Lovelace") + written(170, 121, "40718") + written(300, 5, "ABC-000123"))
    content = ""
    for number, strip in enumerate(np.split(form, 4)):
        pdf.pages[0].add_resource(picture(pdf, strip), Name.XObject, Name(f"/S{number}"))
        content += f"q 400 0 0 50 0 {150 - 50 * number} cm /S{number} Do Q "
    pdf.pages[0].contents_add(content.encode(), prepend=True)
    found = read(ocr, books.written(pdf), tmp_path)
    assert found["text"].split() == [
        *("Name:", "Ada", "Lovelace", "Customer", "number:", "40718", "Signed", "at", "Hamburg", "ABC-000123")
    ]
    assert found["dpi"] == pytest.approx(144, abs=0.3)
    made = pdfs.SearchablePdf(pdf, [0])
    made.add(typed.Page.of(1, found))
    made.save(tmp_path / "out.pdf")
    checked(tmp_path / "out.pdf")
    assert sorted(pdftotext(tmp_path / "out.pdf").split()) == sorted(found["text"].split())


def test_a_receipt_beside_letters_is_read_and_the_letters_and_a_note_are_taken(ocr: Ocr, tmp_path: Path) -> None:
    pdf = drawn(written(20, 170, "Expenses 0O1lI|") + "q 150 0 0 100 230 40 cm /P Do Q")
    pdf.pages[0].obj.Resources.XObject = Dictionary(P=picture(pdf, scan((20, 80, "Coffee 2.40"), size=(300, 200))))
    look = pdf.make_stream(written(2, 5, "PAID 3 May").encode(), Type=Name.XObject, Subtype=Name.Form)
    look.BBox, look.Resources = Array([0, 0, 90, 20]), Dictionary(Font=Dictionary(F=helvetica()))
    note = Dictionary(
        Type=Name.Annot, Subtype=Name.FreeText, F=4, AP=Dictionary(N=look), Rect=Array([150, 165, 240, 185])
    )
    pdf.pages[0].obj.Annots = Array([pdf.make_indirect(note)])
    found = read(ocr, books.written(pdf), tmp_path)
    assert found["text"].split() == ["Expenses", "0O1lI|", "PAID", "3", "May", "Coffee", "2.40"]
    assert [line["text"] for line in found["lines"] if not line.get("present")] == ["Coffee 2.40"]


def test_letters_that_stand_for_others_are_read_from_the_picture_when_a_page_is_redone(
    ocr: Ocr, tmp_path: Path
) -> None:
    pdf = drawn(written(40, 120, "The deposit is returned") + "BT /G 12 Tf 40 60 Td (within ten days) Tj ET")
    codes = "".join(f"<{code:02x}> <{code + 3:04x}>\n" for code in range(32, 127))
    ranges = "1 begincodespacerange <00> <ff> endcodespacerange\n"
    wrong = pdf.make_stream(
        f"begincmap\n{ranges}95 beginbfchar\n{codes}endbfchar\nendcmap".encode()  # each letter is three further on
    )
    font = helvetica(BaseFont=Name("/Helvetica-Bold"), ToUnicode=wrong)
    pdf.pages[0].obj.Resources.Font.G = pdf.make_indirect(font)
    assert letters_of(pdf)[1] != "within ten days"
    found = read(ocr, books.written(pdf), tmp_path, existing="redo")
    assert found["text"].split("\n") == ["The deposit is returned", "within ten days"]
    assert [line.get("present", False) for line in found["lines"]] == [True, False]
    made = pdfs.SearchablePdf(pdf, [0], redo=True)
    made.add(typed.Page.of(1, found))
    made.save(tmp_path / "out.pdf")
    checked(tmp_path / "out.pdf")
    assert sorted(pdftotext(tmp_path / "out.pdf").split()) == sorted(found["text"].split())


def test_what_is_below_a_picture_or_white_or_in_a_layer_that_is_off_is_not_seen() -> None:
    pdf = drawn(
        written(20, 150, "old reading") + "q 200 0 0 100 0 100 cm /P Do Q 1 1 1 rg "
        f"{written(20, 40, 'white on white')} 0 g /OC /Off BDC {written(20, 20, 'an old price')} EMC "
        f"/OC /On BDC {written(220, 20, 'a new price')} EMC"
    )
    resources = pdf.pages[0].obj.Resources
    resources.XObject = Dictionary(P=picture(pdf, scan(size=(400, 200))))
    off, on = (pdf.make_indirect(Dictionary(Type=Name.OCG, Name=String(name))) for name in ("Off", "On"))
    resources.Properties = Dictionary(Off=off, On=on)
    pdf.Root.OCProperties = Dictionary(OCGs=Array([off, on]), D=Dictionary(OFF=Array([off]), Order=Array([off, on])))
    assert letters_of(pdf, visible=True) == ["a new price"]
    assert letters_of(pdf) == ["a new price", "old reading"], (
        "what an earlier reader left below a scan says what is there"
    )


def test_hyphens_at_the_ends_of_lines_stay() -> None:
    rows = ["is permit-", "ted, and state-of-the-", "art, see 12-", "14"]
    pdf = drawn("".join(written(20, 160 - 16 * number, row) for number, row in enumerate(rows)))
    assert letters_of(pdf) == rows


def test_a_field_that_a_viewer_has_to_draw_is_drawn() -> None:
    pdf = drawn(written(20, 150, "Name:"))
    field = Dictionary(Type=Name.Annot, Subtype=Name.Widget, FT=Name.Tx, T="name", V=String("Grace Hopper"), F=4)
    field.DA, field.Rect = String("/F 12 Tf 0 g"), Array([100, 145, 300, 165])
    pdf.pages[0].obj.Annots = Array([pdf.make_indirect(field)])
    fonts = Dictionary(Font=Dictionary(F=pdf.make_indirect(helvetica())))
    pdf.Root.AcroForm = Dictionary(Fields=pdf.pages[0].obj.Annots, DR=fonts)
    assert letters_of(pdf) == ["Name:", "Grace Hopper"]


def test_words_drawn_as_outlines_are_left_to_read() -> None:
    curve = "5 5 m 9 5 9 9 5 9 c 4 9 3 8 2 7 c 1 6 1 5 2 4 c 2 4 l 3 4 l 4 4 l 5 4 l 5 5 l h f "
    for outlines, enough in ((2, True), (8, False)):
        with PdfPage(books.written(drawn(written(20, 150, "letters") + curve * outlines)), 72, 10**7) as page:
            assert EmbeddedText(page, visible=False).enough(page) is enough


def test_to_redo_a_page_takes_away_old_text_in_forms_and_below_pictures(tmp_path: Path) -> None:
    pdf = drawn(
        f"{written(20, 150, 'below')} q 200 0 0 100 0 100 cm /P Do Q 0 -20 Td /X Do "
        f"BT /F 12 Tf 14 TL 20 60 Td (seen) Tj 3 Tr (hidden) ' 0 Tr (third) ' ET"
    )
    form = pdf.make_stream(
        (written(20, 20, "inner", 3) + written(80, 20, "stays")).encode(), Type=Name.XObject, Subtype=Name.Form
    )
    form.BBox, form.Resources = Array([0, 0, 400, 200]), Dictionary(Font=Dictionary(F=helvetica()))
    image = picture(pdf, scan(size=(400, 200)))
    pdf.pages[0].obj.Resources.XObject = Dictionary(P=image, X=form)
    with PdfPage(books.written(pdf), 72, 10**7) as page:
        wanted = page.picture()
    made = pdfs.SearchablePdf(pdf, [0], redo=True)
    made.add(typed.Page.of(1, record(400, 200)))
    made.save(tmp_path / "out.pdf")
    checked(tmp_path / "out.pdf")
    assert sorted(pdftotext(tmp_path / "out.pdf").split()) == ["seen", "stays", "third"]
    with PdfPage((tmp_path / "out.pdf").read_bytes(), 72, 10**7) as page:
        assert np.array_equal(page.picture(), wanted)


def test_a_pdf_that_was_cut_gives_its_whole_pages_and_names_the_others(tmp_path: Path) -> None:
    whole = books.book(3, (400, 300)).pdf
    with pikepdf.open(io.BytesIO(whole)) as pdf:
        second = pdf.pages[1].obj.Resources.XObject.Scan.read_raw_bytes()
    source = PdfSource(whole[: whole.index(second) + len(second) // 2], "")
    assert len(source) == 3
    assert source.page(0)
    for index in (1, 2):
        with pytest.raises(BrokenImage, match=f"page {index + 1} of the PDF is cut short"):
            source.page(index)
    pdfs.SearchablePdf(source.pdf, range(3)).save(tmp_path / "out.pdf")
    checked(tmp_path / "out.pdf")


def test_a_page_that_a_cut_file_only_counts_is_lost() -> None:
    pdf = pikepdf.open(io.BytesIO(books.book(2, (400, 300)).pdf))
    pdf.Root.Pages.Kids = Array([pdf.Root.Pages.Kids[0]])
    whole = books.written(pdf)
    source = PdfSource(whole[: whole.index(b"startxref")].replace(b"/Count 1", b"/Count 2"), "")
    assert len(source) == 2
    with pytest.raises(BrokenImage, match="page 2 of the PDF is lost"):
        source.page(1)


def test_letters_that_run_to_the_left_are_one_line_whose_words_lie_where_they_are() -> None:
    """Hebrew as a renderer gives it: the letters in the order of speech, each to the left of the one before it."""
    text, box = "שלום עולם", 40.0
    letters = [
        Letter(
            letter, ((9 - at) * box, (10 - at) * box), (0.0, 50.0), 0, text[at - 1] == " ", at == 0, False, None, False
        )
        for at, letter in enumerate(text)
        if letter != " "
    ]
    there = object.__new__(EmbeddedText)
    there.seen, there.left = letters, []
    [line] = there.lines()
    assert (line.text, line.box.w) == (text, 9 * box)
    assert [(word.text, round(word.start * 9), round(word.end * 9)) for word in line.words] == [
        ("שלום", 5, 9),
        ("עולם", 0, 4),
    ]


def test_letters_of_a_negative_size_that_are_turned_back_run_forwards(ocr: Ocr, tmp_path: Path) -> None:
    pdf = pikepdf.new()
    books.add(pdf, SIZE, "BT /F -14 Tf -1 0 0 -1 20 100 Tm (two words) Tj ET", Font=Dictionary(F=helvetica()))
    record = read(ocr, books.written(pdf), tmp_path)
    assert (record["text"], record["rotation"]) == ("two words", 0)


@pytest.mark.parametrize(("rotate", "angle"), [(0, 90), (90, 180)])
def test_japanese_written_top_down_in_letters_is_read_in_columns_from_the_right(
    ocr: Ocr, rotate: int, angle: int, tmp_path: Path
) -> None:
    """As a PDF says it: a font whose letters follow one another downwards."""
    ordering = Dictionary(Registry=String("Adobe"), Ordering=String("Japan1"), Supplement=2)
    named = {"Type": Name.Font, "BaseFont": Name("/HeiseiKakuGo-W5")}
    letters = Dictionary(**named, Subtype=Name.CIDFontType0, CIDSystemInfo=ordering)
    vertical = Name("/UniJIS-UCS2-V")
    font = Dictionary(**named, Subtype=Name.Type0, Encoding=vertical, DescendantFonts=Array([letters]))
    pdf, columns = pikepdf.new(), ["縦書き文書", "名前はまだ"]
    shown = "".join(
        f"1 0 0 1 {300 - 30 * at} 150 Tm <{text.encode('utf-16-be').hex()}> Tj " for at, text in enumerate(columns)
    )
    books.add(pdf, SIZE, f"BT /F 14 Tf {shown}ET", Font=Dictionary(F=font))
    pdf.pages[0].obj.Rotate = rotate
    record = read(ocr, books.written(pdf), tmp_path)
    assert record["text"] == "\n".join(columns)
    assert (record["rotation"], record["source"]) == (rotate, "text")
    assert {line["box"]["angle"] for line in record["lines"]} == {angle}
