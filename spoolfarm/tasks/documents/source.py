"""The source: a document's pages, each as a small file of its own."""

from __future__ import annotations

import io
import re
import warnings
from decimal import Decimal
from typing import Any, Protocol

import pikepdf
from pikepdf import Array, Dictionary, Name

from spoolfarm import images
from spoolfarm.errors import BrokenImage, InvalidParams, TooLarge
from spoolfarm.tasks.documents import page_cost, pdf_damage
from spoolfarm.tasks.documents.tiff import Tiff

#: How qpdf names a file without a name.
_UNNAMED = re.compile(r"stream <[^>]*>:? ?")


class Source(Protocol):
    """A document to take pages from."""

    def __len__(self) -> int:
        """How many pages it has."""

    def page(self, index: int) -> bytes:
        """One page as a file. Raises BrokenImage, or TooLarge when nobody could draw it."""

    def scale(self, index: int) -> float:
        """By how much the page is larger than it says: its unit in points."""


class PdfSource:
    """A PDF, with *password* when it wants one."""

    def __init__(self, data: bytes, password: str) -> None:
        self.pdf = opened(data, password)
        self._rebuilt = pdf_damage.is_rebuilt(self.pdf)
        try:
            self._count = len(self.pdf.pages)
            if self._rebuilt:
                self.pdf.trailer.Size = len(self.pdf.objects) + 1  # without one, what is saved would be damaged too
                self._count = max(self._count, min(_said(self.pdf), page_cost.MOST_STREAMS))
        except (pikepdf.PdfError, ValueError, TypeError) as error:
            raise BrokenImage(f"the PDF's pages cannot be found: {_said_of(error)}") from error

    def __len__(self) -> int:
        return self._count

    def page(self, index: int) -> bytes:
        """The page alone, with what it needs and nothing else of the document."""
        if index >= len(self.pdf.pages):
            raise BrokenImage(f"page {index + 1} of the PDF is lost: the file is cut short or damaged")
        try:
            if self._rebuilt:
                pdf_damage.check(self.pdf.pages[index])
            cost = page_cost.check(self.pdf.pages[index])
            if cost.damaged and not cost.read:
                raise BrokenImage("nothing of its content can be read")
            with pikepdf.new() as single:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", pikepdf.PageCopyWarning)  # of form fields, which follow below
                    single.pages.append(self.pdf.pages[index])
                if cost.read <= page_cost.LARGE:
                    single.remove_unreferenced_resources()
                self._add_form(single)
                layers = self.pdf.Root.get(Name.OCProperties)
                if isinstance(layers, Dictionary):  # which of them are off
                    single.Root.OCProperties = single.copy_foreign(self.pdf.make_indirect(layers))
                file = io.BytesIO()
                single.save(file, stream_decode_level=pikepdf.StreamDecodeLevel.none, compress_streams=False)
        except TooLarge as error:
            raise TooLarge(f"page {index + 1} of the PDF cannot be read: {error}") from error
        except BrokenImage as error:
            raise BrokenImage(f"page {index + 1} of the PDF is cut short or damaged: {error}") from error
        except (pikepdf.PdfError, ValueError, TypeError, RuntimeError) as error:
            raise BrokenImage(f"page {index + 1} of the PDF is damaged: {_said_of(error)}") from error
        return file.getvalue()

    def _add_form(self, single: pikepdf.Pdf) -> None:
        """Give the page its form: without one, what is filled in is not shown."""
        fields = [note for note in single.pages[0].obj.get(Name.Annots, ()) if _is_field(note)]
        if not fields:
            return
        form = self.pdf.Root.get(Name.AcroForm)
        single.Root.AcroForm = Dictionary(Fields=Array(fields))
        for name in (Name.DR, Name.DA):  # what letters look like unless a field says so
            if isinstance(form, Dictionary) and name in form:
                single.Root.AcroForm[name] = single.copy_foreign(self.pdf.make_indirect(form[name]))
        if any(Name.AP not in field for field in fields):  # a viewer is expected to draw them
            single.Root.AcroForm.NeedAppearances = True
            single.generate_appearance_streams()

    def scale(self, index: int) -> float:
        unit: Any = self.pdf.pages[index].obj.get(Name.UserUnit)
        return float(unit) if isinstance(unit, (int, Decimal)) and unit > 0 else 1.0


class TiffSource(Tiff):
    """A TIFF of one or many pages."""

    def scale(self, index: int) -> float:
        return 1.0


class PictureSource:
    """A picture: a document of one page."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def __len__(self) -> int:
        return 1

    def page(self, index: int) -> bytes:
        return self._data

    def scale(self, index: int) -> float:
        return 1.0


def open_source(data: bytes, password: str = "") -> Source:
    """The pages of a PDF, a TIFF or a picture. Raises BrokenImage, or InvalidParams when it wants a password."""
    if images.is_pdf(data):
        return PdfSource(data, password)
    return TiffSource(data) if images.sniff(data) == "TIFF" else PictureSource(data)


def _said(pdf: pikepdf.Pdf) -> int:
    """How many pages a PDF says that it has."""
    count = pdf.Root.Pages.get(Name.Count)
    return int(count) if isinstance(count, int) else 0


def _said_of(error: Exception) -> str:
    return _UNNAMED.sub("", str(error))


def _is_field(note: pikepdf.Object) -> bool:
    return isinstance(note, Dictionary) and note.get(Name.Subtype) == Name.Widget


def opened(data: bytes, password: str = "") -> pikepdf.Pdf:
    """Open a PDF. Raises BrokenImage, or InvalidParams when it wants another password."""
    most = page_cost.MOST
    pikepdf.settings.set_qpdf_limits(flate_max_memory=most, run_length_max_memory=most, png_max_memory=most)
    try:
        return pikepdf.open(io.BytesIO(data), password=password)
    except pikepdf.PasswordError as error:
        what = "the password is wrong" if password else "the PDF is encrypted, and no password was sent"
        raise InvalidParams(f"params.password: {what}") from error
    except (pikepdf.PdfError, ValueError, RuntimeError) as error:
        raise BrokenImage(f"the PDF is damaged: {_said_of(error)}") from error
