"""Rendering: one page of a PDF as a picture."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pypdfium2 as pdfium  # type: ignore[import-untyped]  # it comes without types
import pypdfium2.raw as raw  # type: ignore[import-untyped]

from spoolfarm.errors import BrokenImage
from spoolfarm.images import MAX_SIDE

#: Dots per inch of a page that is drawn, not scanned.
DRAWN = 300.0
#: The least and the most of a scanned page: within these it is rendered as it was scanned.
SCANNED = (100.0, 400.0)
#: A picture that covers this part of a page makes it a scanned one.
COVERS = 0.5
#: Points to the inch.
INCH = 72.0
#: How deep forms within forms are searched for the scan.
DEPTH = 3
#: Steps in a pixel in which places are told.
FINE = 16

Point = tuple[float, float]


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
        except (pdfium.PdfiumError, IndexError) as error:
            raise BrokenImage(f"the PDF cannot be read: {error}") from error
        across, down = self.page.get_size()
        if not (0 < across < math.inf and 0 < down < math.inf):
            self._pdf.close()
            raise BrokenImage("the page has no size")
        #: The part of the page that its largest picture covers.
        self.covered, native = self._scan(across * down)
        self.dpi = dpi or (min(max(native, SCANNED[0]), SCANNED[1]) if self.covered >= COVERS else DRAWN)
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

    def picture(self) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """The page on white paper, (height, width, 3) uint8 in BGR order. Raises BrokenImage."""
        try:
            bitmap = self.page.render(scale=self._scale)
        except pdfium.PdfiumError as error:
            raise BrokenImage(f"the page cannot be rendered: {error}") from error
        pixels = bitmap.to_numpy()[: self.height, : self.width]
        return np.ascontiguousarray(pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2))

    def pixel(self, x: float, y: float) -> Point:
        """Where a point of the page's own coordinates lies in the picture."""
        across, down = raw.c_int(), raw.c_int()
        size = (0, 0, self.width * FINE, self.height * FINE, 0)
        raw.FPDF_PageToDevice(self.page, *size, x, y, across, down)
        return across.value / FINE, down.value / FINE

    @property
    def filled_in(self) -> bool:
        """Whether something is written over the page, in a form or as a note: it is not among the page's letters."""
        for index in range(raw.FPDFPage_GetAnnotCount(self.page)):
            note = raw.FPDFPage_GetAnnot(self.page, index)
            kind = raw.FPDFAnnot_GetSubtype(note)
            raw.FPDFPage_CloseAnnot(note)
            if kind in (raw.FPDF_ANNOT_WIDGET, raw.FPDF_ANNOT_FREETEXT, raw.FPDF_ANNOT_STAMP):
                return True
        return False

    def _scan(self, area: float) -> tuple[float, float]:
        """The part of the page's *area* that its largest picture covers, and that picture's dots per inch."""
        best = (0.0, 0.0)
        for found in self.page.get_objects(filter=[raw.FPDF_PAGEOBJ_IMAGE], max_depth=DEPTH):
            try:
                left, bottom, right, top = found.get_bounds()
                across, down = found.get_px_size()
            except pdfium.PdfiumError:
                continue
            size = abs((right - left) * (top - bottom))
            if size > 0 and size / area > best[0]:
                best = (size / area, INCH * math.sqrt(across * down / size))
        return best
