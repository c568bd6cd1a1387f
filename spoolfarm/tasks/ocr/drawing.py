"""The drawing: what a page of a PDF is drawn of, pictures and outlines, forms within forms included."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pypdfium2 as pdfium  # type: ignore[import-untyped]  # it comes without types
import pypdfium2.raw as raw  # type: ignore[import-untyped]

#: How deep forms within forms are searched, and how many objects are looked at.
DEPTH, MOST = 8, 100_000
#: Cells to a side of the page in which it is noted what pictures cover.
CELLS = 128
#: A picture of fewer pixels shows no letters.
PIXELS = 200
#: An outline of so many segments may be a letter; so many of them are a word.
SEGMENTS, OUTLINES = 8, 6

#: a, b, c, d, e, f: from (x, y) to (a x + c y + e, b x + d y + f).
Matrix = tuple[float, float, float, float, float, float]
#: Left, bottom, right, top, in points.
Rect = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Placed:
    """A picture on a page: the rectangle around it, its pixels, and the renderer's own object."""

    rect: Rect
    pixels: int
    found: Any = field(compare=False)

    @property
    def area(self) -> float:
        """Square points."""
        return (self.rect[2] - self.rect[0]) * (self.rect[3] - self.rect[1])

    @property
    def dpi(self) -> float:
        """Its dots per inch."""
        return 72 * math.sqrt(self.pixels / self.area)

    def is_damaged(self) -> bool:
        """Whether the renderer can make nothing of it. Decodes it."""
        bitmap = raw.FPDFImageObj_GetBitmap(self.found)
        if bitmap:
            raw.FPDFBitmap_Destroy(bitmap)
        return not bitmap


class Drawing:
    """The pictures on *page*, and whether letters are drawn there as outlines."""

    def __init__(self, page: pdfium.PdfPage) -> None:
        self.pictures: list[Placed] = []
        outlines = 0
        for kind, found, matrix in _objects(page):
            if kind == raw.FPDF_PAGEOBJ_IMAGE:
                self.pictures.extend(_placed(found, matrix))
            elif kind == raw.FPDF_PAGEOBJ_PATH:
                outlines += _is_outline(found)
        #: Whether there may be words among what is drawn with lines and curves.
        self.outlined = outlines >= OUTLINES
        right: float
        top: float
        self._left: float
        self._bottom: float
        self._left, self._bottom, right, top = page.get_bbox()
        self._across, self._down = max(right - self._left, 1e-6), max(top - self._bottom, 1e-6)
        self._cells = np.zeros((CELLS, CELLS), bool)
        for picture in self.pictures:
            self._cells[self._within(picture.rect)] = True
        #: The part of the page that pictures cover.
        self.covered = float(self._cells.mean())

    def is_pictured(self, x: float, y: float) -> bool:
        """Whether a picture covers the point, in the page's own coordinates."""
        row, column = self._row(y), self._column(x)
        return 0 <= row < CELLS and 0 <= column < CELLS and bool(self._cells[int(row), int(column)])

    def _within(self, rect: Rect) -> tuple[slice, slice]:
        left, bottom, right, top = rect
        rows = slice(*(max(0, round(self._row(y))) for y in (bottom, top)))
        return rows, slice(*(max(0, round(self._column(x))) for x in (left, right)))

    def _row(self, y: float) -> float:
        return min(max((y - self._bottom) / self._down, -1), 2) * CELLS

    def _column(self, x: float) -> float:
        return min(max((x - self._left) / self._across, -1), 2) * CELLS


def _objects(page: pdfium.PdfPage) -> Iterator[tuple[int, Any, Matrix]]:
    """All objects but forms: the kind, the object, and the matrix from its coordinates to the page's."""
    left = [(page, (1.0, 0.0, 0.0, 1.0, 0.0, 0.0), 0)]
    count = 0
    while left:
        parent, matrix, depth = left.pop()
        number, get = (
            (raw.FPDFFormObj_CountObjects, raw.FPDFFormObj_GetObject)
            if depth
            else (raw.FPDFPage_CountObjects, raw.FPDFPage_GetObject)
        )
        for index in range(max(number(parent), 0)):
            count += 1
            found = get(parent, index)
            if not found or count > MOST:
                return
            kind = raw.FPDFPageObj_GetType(found)
            if kind != raw.FPDF_PAGEOBJ_FORM:
                yield kind, found, matrix
            elif depth < DEPTH:
                own = raw.FS_MATRIX()
                raw.FPDFPageObj_GetMatrix(found, own)
                left.append((found, _product((own.a, own.b, own.c, own.d, own.e, own.f), matrix), depth + 1))


def _placed(found: Any, matrix: Matrix) -> Iterator[Placed]:
    across, down = ctypes.c_uint(), ctypes.c_uint()
    edges = [ctypes.c_float() for _ in range(4)]
    if not raw.FPDFPageObj_GetBounds(found, *edges) or not raw.FPDFImageObj_GetImagePixelSize(found, across, down):
        return
    left, bottom, right, top = (edge.value for edge in edges)
    a, b, c, d, e, f = matrix
    points = [(a * x + c * y + e, b * x + d * y + f) for x in (left, right) for y in (bottom, top)]
    xs, ys = zip(*points, strict=True)
    placed = Placed((min(xs), min(ys), max(xs), max(ys)), across.value * down.value, found)
    if placed.pixels >= PIXELS and placed.area > 0:
        yield placed


def _is_outline(path: Any) -> bool:
    """Whether a path may be a letter: filled, and of many segments."""
    fill, stroke = ctypes.c_int(), ctypes.c_int()
    raw.FPDFPath_GetDrawMode(path, fill, stroke)
    return bool(fill.value != raw.FPDF_FILLMODE_NONE) and int(raw.FPDFPath_CountSegments(path)) >= SEGMENTS


def _product(first: Matrix, then: Matrix) -> Matrix:
    a, b, c, d, e, f = first
    p, q, r, s, t, u = then
    return (a * p + b * r, a * q + b * s, c * p + d * r, c * q + d * s, e * p + f * r + t, e * q + f * s + u)
