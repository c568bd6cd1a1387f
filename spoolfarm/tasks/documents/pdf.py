"""The searchable PDF: the document as it was, with its text in the places where it is seen."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import pikepdf
from pikepdf import Array, Dictionary, Name, Stream

from spoolfarm.tasks.documents import image_to_pdf, strip_text, text_layer
from spoolfarm.tasks.documents.glyphless_font import Font
from spoolfarm.tasks.documents.page import Page
from spoolfarm.tasks.documents.text_layer import FONT, Matrix

#: A page's width and height in points when it says none that can be used.
LETTER = (612.0, 792.0)


class SearchablePdf:
    """A PDF whose pages are given their text; what is on them is not touched."""

    def __init__(self, pdf: pikepdf.Pdf, indices: Collection[int], *, redo: bool = False) -> None:
        """Only the pages *indices* will be in it. With *redo*, invisible text that is there goes."""
        self._pdf = pdf
        self._indices = frozenset(indices)
        self._redo = redo
        self._font = Font()
        #: What every page's resources name: it is filled when all pages are known.
        self._built = pdf.make_indirect(Dictionary())

    def add(self, read: Page, attached: Mapping[str, bytes | Path] | None = None) -> None:
        """Write what was *read* on a page into the page of its number, below all that is there."""
        if not read.recognised:
            return
        page = self._pdf.pages[read.number - 1]
        if self._redo:
            strip_text.remove(self._pdf, page)
        if wrong := read.record.get("wrong_fonts"):
            strip_text.mute(self._pdf, page, wrong)
        text = text_layer.content(read, place(page, read.width, read.height), self._font)
        there = page.obj.get(Name.Contents)
        before = [
            each for each in (there.as_list() if isinstance(there, Array) else [there]) if isinstance(each, Stream)
        ]
        stream = self._pdf.make_stream(zlib.compress(text), Filter=Name.FlateDecode)
        page.obj.Contents = Array([stream, *before])
        if not isinstance(page.obj.get(Name.Resources), Dictionary):
            page.obj.Resources = Dictionary()
        if not isinstance(page.resources.get(Name.Font), Dictionary):
            page.resources.Font = Dictionary()
        page.add_resource(self._built, Name.Font, Name(FONT))

    def save(self, path: Path) -> None:
        """Write it to *path*, every stream that was there as it was."""
        for index in reversed(range(len(self._pdf.pages))):
            if index not in self._indices:
                del self._pdf.pages[index]
        for name, value in self._font.build(self._pdf).items():
            self._built[name] = value
        self._pdf.save(path, stream_decode_level=pikepdf.StreamDecodeLevel.none)
        self._pdf.close()


def of_picture(data: bytes, dpi: float | None = None) -> pikepdf.Pdf:
    """A PDF of one page that shows the picture *data*, losslessly: JPEG and fax code go in as they are."""
    pdf = pikepdf.new()
    shown = image_to_pdf.picture(pdf, data, dpi)
    a, b, c, d, e, f = shown.matrix
    contents = f"q {a:.4f} {b:.4f} {c:.4f} {d:.4f} {e:.4f} {f:.4f} cm /Picture Do Q\n".encode()
    page = Dictionary(
        Type=Name.Page,
        MediaBox=Array([0, 0, round(shown.width, 3), round(shown.height, 3)]),
        Contents=pdf.make_stream(contents),
        Resources=Dictionary(XObject=Dictionary(Picture=shown.image)),
    )
    pdf.pages.append(pikepdf.Page(pdf.make_indirect(page)))
    return pdf


def place(page: pikepdf.Page, width: int, height: int) -> Matrix:
    """The matrix from the pixels of a picture of *page*, *width* x *height*, y down, to the page's own coordinates."""
    left, bottom, right, top = _box(page)
    across, down = right - left, top - bottom
    match _rotation(page):
        case 90:
            return (0, down / width, across / height, 0, left, bottom)
        case 180:
            return (-across / width, 0, 0, down / height, right, bottom)
        case 270:
            return (0, -down / width, -across / height, 0, right, top)
        case _:
            return (across / width, 0, 0, -down / height, left, top)


def _box(page: pikepdf.Page) -> tuple[float, float, float, float]:
    """What of the page is shown: the crop box, as far as it lies in the media box."""
    media = next(_boxes(page, "mediabox"), (0.0, 0.0, *LETTER))
    crop = next(_boxes(page, "cropbox"), media)
    left, bottom = max(media[0], crop[0]), max(media[1], crop[1])
    right, top = min(media[2], crop[2]), min(media[3], crop[3])
    return (left, bottom, right, top) if left < right and bottom < top else media


def _boxes(page: pikepdf.Page, name: str) -> Iterator[tuple[float, float, float, float]]:
    with suppress(ValueError, TypeError, AttributeError, pikepdf.PdfError):
        x0, y0, x1, y1 = (float(value) for value in getattr(page, name))
        if x0 != x1 and y0 != y1:
            yield min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)


def _rotation(page: pikepdf.Page) -> int:
    """By how many degrees, clockwise, the page is turned to be shown."""
    node: Any = page.obj
    for _ in range(100):
        if not isinstance(node, Dictionary):
            break
        turn: Any = node.get(Name.Rotate)
        if isinstance(turn, (int, Decimal)):
            return round(float(turn) / 90) * 90 % 360
        node = node.get(Name.Parent)
    return 0
