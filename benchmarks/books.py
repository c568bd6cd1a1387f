"""Books: PDF files of many pages whose text is known, scanned and drawn, in English and Chinese."""

from __future__ import annotations

import io
import random
from collections.abc import Sequence
from dataclasses import dataclass

import pikepdf
from pikepdf import Array, Dictionary, Name

from benchmarks import pages

#: Dots per inch of the scans.
SCAN = 150
#: A scanned page's width and height in pixels: A4.
A4 = (1240, 1754)


@dataclass(frozen=True)
class Book:
    """A PDF file, the text of each of its pages, and the JPEG of each scanned one."""

    pdf: bytes
    texts: tuple[str, ...]
    scans: tuple[bytes | None, ...]


def book(count: int, size: tuple[int, int] = A4, seed: int = 0) -> Book:
    """A book of *count* pages: English and Chinese scans by turns, every tenth page drawn with letters.

    With a *size* lower than A4 there are fewer rows on a page.
    """
    rng = random.Random(f"book/{seed}/{count}")
    pdf = pikepdf.new()
    texts, scans = [], []
    for number in range(count):
        if number % 10 == 9:
            rows = [f"{number + 1}. {sentence}" for sentence in rng.sample(pages.ENGLISH, 8)]
            add_drawn(pdf, rows)
            texts.append("\n".join(rows))
            scans.append(None)
            continue
        page = (pages.english, pages.chinese)[number % 2](rng, *size)
        scans.append(page.jpeg())
        add_scan(pdf, page, scans[-1])
        texts.append(page.text)
    return Book(written(pdf), tuple(texts), tuple(scans))


def add_scan(pdf: pikepdf.Pdf, page: pages.Page, jpeg: bytes) -> None:
    """Add a page that shows *jpeg* and nothing else."""
    height, width = page.picture.shape[:2]
    image = pdf.make_stream(jpeg, Type=Name.XObject, Subtype=Name.Image, Width=width, Height=height)
    image.ColorSpace, image.BitsPerComponent, image.Filter = Name.DeviceRGB, 8, Name.DCTDecode
    across, down = width * 72 / SCAN, height * 72 / SCAN
    add(pdf, (across, down), f"q {across} 0 0 {down} 0 0 cm /Scan Do Q", XObject=Dictionary(Scan=image))


def add_drawn(pdf: pikepdf.Pdf, rows: Sequence[str]) -> None:
    """Add a page with *rows* as text."""
    shown = " ".join(f"({row.replace('(', chr(92) + '(').replace(')', chr(92) + ')')}) Tj T*" for row in rows)
    font = Dictionary(Type=Name.Font, Subtype=Name.Type1, BaseFont=Name.Helvetica, Encoding=Name.WinAnsiEncoding)
    add(pdf, (595, 842), f"BT /F 12 Tf 18 TL 60 760 Td {shown} ET", Font=Dictionary(F=font))


def add(pdf: pikepdf.Pdf, size: tuple[float, float], content: str, **resources: pikepdf.Object) -> pikepdf.Page:
    """Add a page of *size* in points."""
    page = Dictionary(
        Type=Name.Page,
        MediaBox=Array([0, 0, *size]),
        Contents=pdf.make_stream(content.encode()),
        Resources=Dictionary(**resources),
    )
    pdf.pages.append(pikepdf.Page(pdf.make_indirect(page)))
    return pdf.pages[-1]


def written(pdf: pikepdf.Pdf) -> bytes:
    """The file of *pdf*."""
    file = io.BytesIO()
    pdf.save(file)
    return file.getvalue()


def errors(found: str, wanted: str) -> int:
    """How many letters must be put in, taken out or changed to make *wanted* of *found*."""
    return pages.edits(pages.letters(found), pages.letters(wanted))
