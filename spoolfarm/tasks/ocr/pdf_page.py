"""Rendering: one page of a PDF as a picture."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import pypdfium2 as pdfium  # type: ignore[import-untyped]  # it comes without types
import pypdfium2.raw as raw  # type: ignore[import-untyped]

from spoolfarm.errors import BrokenImage
from spoolfarm.images import MAX_SIDE
from spoolfarm.tasks.ocr.drawing import Drawing

#: Dots per inch of a page that is drawn, not scanned.
DRAWN = 300.0
#: The least and the most of a scanned page: within these it is rendered as it was scanned.
SCANNED = (100.0, 400.0)
#: Pictures that cover this part of a page make it a scanned one.
COVERS = 0.5
#: Points to the inch.
INCH = 72.0
#: Dots per inch at which it is seen whether letters show.
PREVIEW = 100.0
#: Steps in a pixel in which places are told.
FINE = 16

Point = tuple[float, float]
Picture = np.ndarray[Any, np.dtype[np.uint8]]


class PdfPage:
    """The first page of a PDF, upright as a viewer shows it. Use it as a context manager."""

    def __init__(self, data: bytes, dpi: float | None, max_pixels: int) -> None:
        """Open it for *dpi*, or by itself for what suits it; either is lowered to keep to *max_pixels*.

        Raises BrokenImage.
        """
        try:
            self._pdf = pdfium.PdfDocument(data)
            self._pdf.init_forms()
            self.page = self._pdf[0]
            if raw.FPDFPage_GetAnnotCount(self.page):
                # What is written in forms and notes becomes part of the page, where its letters can be had.
                raw.FPDFPage_Flatten(self.page, raw.FLAT_NORMALDISPLAY)
                self.page.close()
                self.page = self._pdf[0]
        except (pdfium.PdfiumError, IndexError) as error:
            raise BrokenImage(f"the PDF cannot be read: {error}") from error
        across, down = self.page.get_size()
        if not (0 < across < math.inf and 0 < down < math.inf):
            self._pdf.close()
            raise BrokenImage("the page has no size")
        self.drawing = Drawing(self.page)
        scan = max(self.drawing.pictures, key=lambda picture: picture.area, default=None)
        scanned = scan is not None and self.drawing.covered >= COVERS
        self.dpi = dpi or (min(max(scan.dpi, SCANNED[0]), SCANNED[1]) if scan and scanned else DRAWN)
        most = min(math.sqrt(max_pixels / (across * down)), MAX_SIDE / max(across, down))
        dpi = min(self.dpi, INCH * most)
        # Whole pixels, and those of the scan where there is one; the renderer rounds up.
        self._scale = (max(1, math.floor(across * dpi / INCH + 0.01)) - 0.001) / across
        self.dpi = INCH * self._scale
        self.width = math.ceil(across * self._scale)
        self.height = math.ceil(down * self._scale)

    def __enter__(self) -> PdfPage:
        return self

    def __exit__(self, *_: object) -> None:
        self._pdf.close()

    def picture(self, without: Iterable[Any] = ()) -> Picture:
        """The page on white paper, (height, width, 3) uint8 in BGR order, *without* some of its objects.

        Raises BrokenImage.
        """
        return self._rendered(self._scale, without)[: self.height, : self.width]

    def lacks(self, picture: Picture) -> bool:
        """Whether *picture* of the page shows nothing where a picture on it is damaged."""
        for placed in self.drawing.pictures:
            left, bottom, right, top = placed.rect
            xs, ys = zip(self.pixel(left, bottom), self.pixel(right, top), strict=True)
            (x0, x1), (y0, y1) = (sorted(max(0, round(each)) for each in pair) for pair in (xs, ys))
            shown = picture[y0:y1, x0:x1]
            if shown.size and shown.min() == shown.max() and placed.is_damaged():
                return True
        return False

    def preview(self, without: Iterable[Any] = ()) -> Picture:
        """The same, small."""
        return self._rendered(min(self._scale, PREVIEW / INCH), without)

    def _rendered(self, scale: float, without: Iterable[Any]) -> Picture:
        hidden = [one for one in without if raw.FPDFPageObj_SetIsActive(one, False)]
        try:
            bitmap = self.page.render(scale=scale)
        except pdfium.PdfiumError as error:
            raise BrokenImage(f"the page cannot be rendered: {error}") from error
        finally:
            for one in hidden:
                raw.FPDFPageObj_SetIsActive(one, True)
        pixels = bitmap.to_numpy()
        return np.ascontiguousarray(pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2))

    def pixel(self, x: float, y: float) -> Point:
        """Where a point of the page's own coordinates lies in the picture."""
        across, down = raw.c_int(), raw.c_int()
        size = (0, 0, self.width * FINE, self.height * FINE, 0)
        raw.FPDF_PageToDevice(self.page, *size, x, y, across, down)
        return across.value / FINE, down.value / FINE
