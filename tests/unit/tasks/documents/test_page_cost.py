"""What a page costs is known before it is drawn, and a page that asks for gigabytes is refused."""

from __future__ import annotations

import io
import random
import resource
import zlib
from typing import Any

import pikepdf
import pytest
from pikepdf import Array, Dictionary, Name

from benchmarks import books
from spoolfarm.errors import TooLarge
from spoolfarm.tasks.documents import page_cost
from spoolfarm.tasks.documents.source import open_source
from spoolfarm.tasks.ocr.embedded_text import EmbeddedText
from spoolfarm.tasks.ocr.pdf_page import PdfPage

BOX = Array([0, 0, 612, 792])


def form(pdf: pikepdf.Pdf, content: bytes, **more: Any) -> pikepdf.Object:
    """A form that draws *content*."""
    return pdf.make_indirect(pdf.make_stream(content, Type=Name.XObject, Subtype=Name.Form, BBox=BOX, **more))


def nested(levels: int, width: int, word: bytes = b"/F Do") -> tuple[pikepdf.Pdf, pikepdf.Object]:
    """A form that draws another *width* times, and so on."""
    pdf = pikepdf.new()
    inner = form(pdf, b"0 0 m 9 9 l S")
    for _ in range(levels):
        inner = form(pdf, (word + b" ") * width, Resources=Dictionary(XObject=Dictionary(F=inner)))
    return pdf, inner


def paged(pdf: pikepdf.Pdf, content: bytes | pikepdf.Object, **resources: Any) -> bytes:
    """The file of one page."""
    drawn = pdf.make_stream(content) if isinstance(content, bytes) else content
    page = Dictionary(Type=Name.Page, MediaBox=BOX, Contents=drawn, Resources=Dictionary(**resources))
    pdf.pages.append(pikepdf.Page(pdf.make_indirect(page)))
    file = io.BytesIO()
    pdf.save(file, stream_decode_level=pikepdf.StreamDecodeLevel.none, compress_streams=False)
    return file.getvalue()


def forms_within_forms(word: bytes = b"/F Do") -> bytes:
    pdf, inner = nested(8, 10, word)
    return paged(pdf, b"/F Do", XObject=Dictionary(F=inner))


def itself() -> bytes:
    """A form without resources of its own draws itself, twice, by those of the page."""
    pdf = pikepdf.new()
    return paged(pdf, b"/F Do", XObject=Dictionary(F=form(pdf, b"/F Do /F Do")))


def annotation() -> bytes:
    """A note that looks like forms within forms."""
    pdf, inner = nested(8, 10)
    data = paged(pdf, b"")
    note = Dictionary(Type=Name.Annot, Subtype=Name.Stamp, Rect=BOX, AP=Dictionary(N=Dictionary(On=inner)))
    pdf.pages[0].obj.Annots = Array([note])
    file = io.BytesIO()
    pdf.save(file)
    return file.getvalue() or data


def pattern() -> bytes:
    pdf, inner = nested(8, 10)
    tile = form(pdf, b"/F Do", PatternType=1, Resources=Dictionary(XObject=Dictionary(F=inner)))
    return paged(pdf, b"/P scn 0 0 9 9 re f", Pattern=Dictionary(P=tile))


def letters() -> bytes:
    pdf, inner = nested(8, 10)
    letter = form(pdf, b"/F Do", Resources=Dictionary(XObject=Dictionary(F=inner)))
    font = Dictionary(Type=Name.Font, Subtype=Name.Type3, CharProcs=Dictionary(a=letter))
    return paged(pdf, b"BT /T 9 Tf (a) Tj ET", Font=Dictionary(T=font))


def mask() -> bytes:
    pdf, inner = nested(8, 10)
    return paged(pdf, b"/G gs", ExtGState=Dictionary(G=Dictionary(SMask=Dictionary(S=Name.Luminosity, G=inner))))


def deflated(times: int, size: int = page_cost.MOST + 10**6, tail: bytes = b"") -> bytes:
    """Content that inflates to *size* bytes when it is inflated so many *times*, and then to what *tail* is."""
    pdf = pikepdf.new()
    packer = zlib.compressobj(1)
    data = b"".join(packer.compress(b"0 0 m 1 1 l " * 10_000) for _ in range(size // 120_000))
    data += packer.flush(zlib.Z_FULL_FLUSH) + (tail or packer.flush())
    for _ in range(times - 1):
        data = zlib.compress(data, 9)
    return paged(pdf, pdf.make_stream(data, Filter=Array([Name.FlateDecode] * times)))


def many_parts() -> bytes:
    """The same, in parts of which each alone would do."""
    with pikepdf.open(io.BytesIO(deflated(2, page_cost.MOST // 2))) as pdf:
        pdf.pages[0].obj.Contents = Array([pdf.pages[0].obj.Contents] * 3)
        file = io.BytesIO()
        pdf.save(file, stream_decode_level=pikepdf.StreamDecodeLevel.none, compress_streams=False)
    return file.getvalue()


def large_pictures() -> bytes:
    pdf = pikepdf.new()
    data = zlib.compress(zlib.compress(b"\0" * 10**6, 9), 9)
    size = {"Width": 60_000, "Height": 60_000, "BitsPerComponent": 8, "ColorSpace": Name.DeviceGray}
    kind = {"Type": Name.XObject, "Subtype": Name.Image, "Filter": Array([Name.FlateDecode] * 2)}
    picture = pdf.make_indirect(pdf.make_stream(data, **size, **kind))
    return paged(pdf, b"/I Do", XObject=Dictionary(I=picture))


GREEDY = {
    "forms": forms_within_forms,
    "forms whose names are written in hexadecimals": lambda: forms_within_forms(b"/#46 Do"),
    "a form that draws itself": itself,
    "a note": annotation,
    "a pattern": pattern,
    "letters": letters,
    "a mask": mask,
    "damaged content": lambda: deflated(1, tail=b"damaged"),
    "twice deflated content": lambda: deflated(2),
    "content in parts": many_parts,
    "large pictures": large_pictures,
}


@pytest.mark.parametrize("what", GREEDY)
def test_a_page_that_asks_for_gigabytes_is_refused_before_it_is_drawn(what: str) -> None:
    data = GREEDY[what]()
    source = open_source(data)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    with pytest.raises(TooLarge, match="page 1 of the PDF cannot be read: it"):
        source.page(0)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_utime - before < 5


def test_pages_as_they_are_cost_little() -> None:
    with open_source(books.book(2, (1000, 250)).pdf).pdf as pdf:  # type: ignore[attr-defined]
        assert page_cost.check(pdf.pages[1]).total < page_cost.MOST / 100


def test_forms_that_draw_one_another_once_or_twice_are_read() -> None:
    pdf, inner = nested(30, 1)
    assert open_source(paged(pdf, b"/F Do /F Do", XObject=Dictionary(F=inner))).page(0)


def test_a_page_with_damaged_content_is_left_to_whoever_reads_it() -> None:
    pdf = pikepdf.new()
    code = zlib.compress(random.Random(0).randbytes(3 * page_cost.PIECE))
    broken = pdf.make_stream(code[: -page_cost.PIECE] + bytes(page_cost.PIECE), Filter=Name.FlateDecode)
    assert open_source(paged(pdf, broken)).page(0)


def test_a_page_with_more_letters_than_anybody_writes_is_read_from_its_picture() -> None:
    pdf = pikepdf.new()
    helvetica = Dictionary(Type=Name.Font, Subtype=Name.Type1, BaseFont=Name.Helvetica)
    data = paged(pdf, b"BT /F 1 Tf 9 9 Td " + b"(many letters) Tj " * 20_000 + b"ET", Font=Dictionary(F=helvetica))
    with PdfPage(data, None, 1_000_000) as page:
        assert not EmbeddedText(page, visible=False).enough(page)
