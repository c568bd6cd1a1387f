"""The results of `ocr` and `document`, as models for the documentation."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field


class TextBox(BaseModel):
    """Where a line stands: its middle, its sides and its turn, in pixels and degrees."""

    cx: float
    cy: float
    w: float
    h: float
    angle: float


class TextLine(BaseModel):
    """A line that was read."""

    name: str
    text: str
    score: float = Field(description="how sure the recogniser is, 0 to 1")
    det_score: float = Field(description="how sure it is that this is a line, 0 to 1")
    box: TextBox
    poly: list[list[float]] = Field(description="the corners [x, y]")
    block: int
    row: int
    words: list[list[Any]] = Field(description="[text, start, end], the two along the line from 0 to 1")


class TableCell(BaseModel):
    """A cell of a table."""

    row: int
    column: int
    rows: int = Field(description="over how many rows it goes")
    columns: int = Field(description="over how many columns it goes")
    text: str
    poly: list[list[float]] = Field(description="the corners [x, y]")
    lines: list[int] = Field(description="the numbers of its lines")


class Table(BaseModel):
    """A table."""

    rows: int
    columns: int
    ruled: bool = Field(description="whether rulings part its cells, or only gaps")
    poly: list[list[float]] = Field(description="the corners [x, y]")
    cells: list[TableCell]


class OcrResult(BaseModel):
    """A picture that was read."""

    text: str = Field(description="the lines in reading order")
    width: int
    height: int
    rotation: int = Field(description="degrees by which the page is turned clockwise: 0, 90, 180 or 270")
    paragraphs: list[list[int]] = Field(description="the numbers of each paragraph's lines")
    lines: list[TextLine]
    ms: dict[str, float] = Field(description="milliseconds by step")
    warnings: list[str] = Field(default=[], description="such as of letters too small to be sure of")
    lang: str = Field(default="", description="the languages it was read in, where they were not asked for but found")
    tables: list[Table] = Field(default=[], description="its tables, where they were asked for")


class DocumentPage(BaseModel):
    """A page of a document; one that could not be read has an error."""

    page: int
    width: int | None = None
    height: int | None = None
    rotation: int | None = None
    lines: int | None = Field(default=None, description="how many")
    warnings: list[str] = Field(default=[], description="such as of letters too small to be sure of")
    lang: str = Field(default="", description="the languages it was read in, where they were not asked for but found")
    error: str | None = None
    code: str | None = None


class DocumentResult(BaseModel):
    """A document that was read, page by page."""

    text: str = Field(description="the pages, each ended by a line break and a form feed")
    page_count: int
    pages: list[DocumentPage]
