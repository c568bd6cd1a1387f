"""The ocr task: Chinese and English text in a picture, with its boxes, in reading order."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from spoolfarm import images
from spoolfarm.errors import BrokenImage, JobFailed, NotInstalled
from spoolfarm.spool.job import Job
from spoolfarm.system import threads
from spoolfarm.tasks import Answer, Context, Params, Task
from spoolfarm.tasks.areas import Polygons
from spoolfarm.tasks.documents.outputs import TABLES, Output
from spoolfarm.tasks.ocr.result import DocumentResult, OcrResult

if TYPE_CHECKING:
    from spoolfarm.tasks.ocr.page import Line, Page
    from spoolfarm.tasks.ocr.reader import Picture, Reader

#: The least and the most dots per inch that may be asked for.
COARSEST, FINEST = 30, 1200
#: What is said of a page that lacks a picture.
DAMAGED = "a picture on the page is damaged and cannot be seen"
#: The parameters that only a document has.
OF_DOCUMENTS = {"pages", "password"}


class OcrParams(Params):
    """How to read."""

    rotate: Literal["auto", "none"] = Field(
        default="auto",
        description="auto: text may be turned by quarters, and the page's turn is told; none: it is upright",
    )
    side: int | None = Field(
        default=None,
        ge=320,
        le=4096,
        description="pixels the longer side is shrunk to for finding lines; by default what suits its letters",
    )
    min_score: float = Field(default=0.5, ge=0, le=1, description="lines the recogniser is less sure of are dropped")
    order: Literal["auto", "rows", "none"] = Field(
        default="auto", description="auto: column by column, then row by row; rows: straight across; none: as found"
    )
    join: bool = Field(
        default=False, description="each paragraph of the text on one line, and words parted by a hyphen as one"
    )
    tables: bool = Field(
        default=False, description="tell tables with their cells; asking for csv, html or xlsx does so too"
    )
    lang: str = Field(
        default="",
        max_length=100,
        pattern=r"^([A-Za-z]{3}(_[A-Za-z]+)*(\+[A-Za-z]{3}(_[A-Za-z]+)*)*)?$",
        description="codes of Tesseract, such as rus or frk+eng: it reads languages that are not known here; without "
        "them, those of another script are looked for where they are installed",
    )
    quality: Literal["fast", "normal", "best"] = Field(
        default="normal",
        description="normal: a small network reads the lines of which it is sure; best: the large one reads all lines, "
        "in twice the time; fast: a small one finds lines too, in two thirds of it",
    )
    regions: Polygons = Field(default=[], description="polygons [[x, y], ...]: only lines centred in one of them")
    ignore: Polygons = Field(default=[], description="polygons [[x, y], ...]: no lines centred in one of them")
    dpi: float | None = Field(
        default=None,
        ge=COARSEST,
        le=FINEST,
        description="dots per inch: how large a page of a PDF is rendered, or how large a picture is in one",
    )
    existing: Literal["keep", "redo"] = Field(
        default="keep", description="keep: a page of a PDF that has its text is not read; redo: it is"
    )
    outputs: list[Output] = Field(default=[], max_length=9, description="files to make of what was read")


class Ocr(Task):
    """Answers the text of one picture, its lines with their boxes, and how the page is turned; see docs/ocr.md."""

    Params = OcrParams
    results = (OcrResult, DocumentResult)
    pdf = True
    _reader: Reader

    def instead(self, pictures: Sequence[bytes], params: Mapping[str, Any]) -> str | None:
        """A PDF is a document, and so is a TIFF of several pages and what comes with parameters of documents only."""
        return "document" if OF_DOCUMENTS & params.keys() or any(map(_has_pages, pictures)) else None

    def setup(self) -> None:
        from spoolfarm.tasks.ocr.reader import Reader

        threads.limit()
        self._reader = Reader(threads.budget())

    def run(self, batch: Sequence[Job], context: Context) -> list[Any]:
        return [self._read(job, context) for job in batch]

    def _read(self, job: Job, context: Context) -> Any:
        params = OcrParams.model_validate(job.params)
        try:
            if images.is_pdf(job.images[0]):
                return self._read_pdf(job.images[0], params, context.limits.pixels)
            start = time.perf_counter()
            picture = images.decode(job.images[0])
            decode = time.perf_counter() - start
            record = _shown(self._page(picture, params), decode)
            if not params.outputs:
                return record
            from spoolfarm.tasks.documents import single_page

            files = single_page.files(record, job.images[0], params.outputs, params.dpi, context.scratch())
            return Answer(record, files)
        except (BrokenImage, NotInstalled, JobFailed) as error:
            return error

    def _read_pdf(self, data: bytes, params: OcrParams, max_pixels: int) -> dict[str, Any]:
        """Read the one page of a PDF, or take the text that it has already."""
        from spoolfarm.tasks.ocr.doubts import doubtful
        from spoolfarm.tasks.ocr.embedded_text import EmbeddedText
        from spoolfarm.tasks.ocr.pdf_page import PdfPage

        start = time.perf_counter()
        redo = params.existing == "redo"
        with PdfPage(data, params.dpi, max_pixels) as page:
            there = EmbeddedText(page, visible=redo)
            if redo:
                there.doubt(doubtful(there, page, self._reader))
            kept, turn = there.lines(), there.rotation()
            size, dpi = (page.width, page.height), round(page.dpi, 2)
            picture = None if there.enough(page) else page.picture(without=there.objects())
            damaged = picture is not None and page.lacks(picture)
            seen = page.picture() if wants_tables(params) and (kept or picture is None) else None
        decode = time.perf_counter() - start
        if picture is None:
            placed = self._reader.place(kept, size, turn, tables_of=seen, **_choices(params))
            return {**_shown(placed, decode), "dpi": dpi, "source": "ocr" if redo else "text"}
        read = self._page(picture, params)
        if kept:
            new = [part for line in read.lines for part in there.without(line)]
            rotation = read.rotation if _length(read.lines) > _length(kept) else turn
            placed = self._reader.place([*kept, *new], size, rotation, tables_of=seen, **_choices(params))
            read = replace(placed, ms=read.ms, warnings=read.warnings, lang=read.lang)
        if damaged:
            read = replace(read, warnings=(*read.warnings, DAMAGED))
        wrong = {"wrong_fonts": sorted(there.wrong)} if there.wrong else {}
        return {**_shown(read, decode), "dpi": dpi, "source": "ocr", **wrong}

    def _page(self, picture: Picture, params: OcrParams) -> Page:
        turns = params.rotate == "auto"
        return self._reader.read(
            picture,
            rotate=turns,
            side=params.side,
            min_score=params.min_score,
            tables=wants_tables(params),
            lang=params.lang,
            quality=params.quality,
            **_choices(params),
        )


def wants_tables(params: OcrParams) -> bool:
    """Whether tables are to be told."""
    return params.tables or bool(TABLES & set(params.outputs))


def _length(lines: Sequence[Line]) -> float:
    return sum(line.box.w for line in lines)


def _has_pages(data: bytes) -> bool:
    try:
        return images.is_pdf(data) or images.several_pages(data)
    except BrokenImage:
        return False  # whoever reads it says what is wrong


def _choices(params: OcrParams) -> dict[str, Any]:
    return {"order": params.order, "join": params.join, "regions": params.regions, "ignore": params.ignore}


def _shown(page: Page, decode: float) -> dict[str, Any]:
    record = page.record()
    return record | {"ms": {"decode": round(decode * 1000, 1), **record["ms"]}}
