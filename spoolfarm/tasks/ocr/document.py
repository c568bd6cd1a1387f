"""The document task: a PDF or a TIFF of many pages, each read as a job of its own, as one answer."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import Field, field_validator

from spoolfarm import images
from spoolfarm.errors import BrokenImage, FarmError, InvalidParams, JobFailed, TooLarge
from spoolfarm.spool.job import Job
from spoolfarm.tasks import Answer, Context, Part, Task
from spoolfarm.tasks.documents.outputs import NAMES, Output, Outputs
from spoolfarm.tasks.documents.page import Page
from spoolfarm.tasks.ocr.result import DocumentResult
from spoolfarm.tasks.ocr.task import COARSEST, FINEST, OF_DOCUMENTS, OcrParams, wants_tables

if TYPE_CHECKING:
    from spoolfarm.tasks.documents.source import Source

#: What `ocr` is not asked for each page.
OWN = {*OF_DOCUMENTS, "outputs"}
_PAGES = re.compile(r"\s*(\d{1,6})\s*(-\s*(\d{1,6})?)?\s*")


class DocumentParams(OcrParams):
    """How to read, and which pages."""

    pages: str = Field(default="", max_length=1000, description="such as 1-3,7,12-; empty: all")
    password: str = Field(default="", max_length=1000, description="what opens an encrypted PDF")
    outputs: list[Output] = Field(
        default=["text", "json", "tsv", "hocr", "alto", "pdf"], max_length=9, description="files to make"
    )

    @field_validator("pages")
    @classmethod
    def _readable(cls, pages: str) -> str:
        for first, last in ranges(pages):
            if first < 1 or (last is not None and last < first):
                raise ValueError("pages are counted from 1, and a range goes upwards")
        return pages


class Document(Task):
    """Answers the text of a document, page by page, with the files that were asked for; see docs/documents.md."""

    Params = DocumentParams
    results = (DocumentResult,)
    pdf = True
    parts = ("ocr",)
    lane = "document"

    def setup(self) -> None:
        import spoolfarm.tasks.documents.pdf  # noqa: F401  # now, so that the first document need not wait for it

    def run(self, batch: Sequence[Job], context: Context) -> list[Any]:
        return [self._read(job, context) for job in batch]

    def _read(self, job: Job, context: Context) -> Answer | FarmError:
        from spoolfarm.tasks.documents.source import open_source

        params = DocumentParams.model_validate(job.params)
        try:
            source = open_source(job.images[0], params.password)
            if not len(source):
                return BrokenImage("there is no page in the document")
            numbers = chosen(params.pages, len(source), context.limits.pages)
            return Reading(job.images[0], source, numbers, params, context).answer()
        except (BrokenImage, InvalidParams, TooLarge) as error:
            return error


class Reading:
    """One document being read: the pages *numbers* of *source*."""

    def __init__(
        self, data: bytes, source: Source, numbers: Sequence[int], params: DocumentParams, context: Context
    ) -> None:
        self._source = source
        self._numbers = numbers
        self._params = params
        self._context = context
        self._is_pdf = images.is_pdf(data)

    def answer(self) -> Answer | FarmError:
        """Read all pages, and write each one down when it is its turn."""
        texts: list[str] = []
        pages: list[dict[str, Any]] = []
        scratch = self._context.scratch()
        searchable = self._searchable(scratch)
        with Outputs(scratch, self._params.outputs, "document") as outputs:
            for number, outcome in self._context.map("ocr", self._parts()):
                read = Page.of(number, _record(outcome))
                outputs.add(read)
                if searchable is not None:
                    searchable.add(read, outcome.files if isinstance(outcome, Answer) else {})
                texts.append(read.text)
                pages.append(_summary(read))
                self._context.progress(len(pages) / len(self._numbers))
        if all("error" in each for each in pages):
            first = pages[0]
            return JobFailed(f"no page can be read; page {first['page']}: {first['error']}", code=first["code"])
        files = dict(outputs.paths)
        if searchable is not None:
            files[NAMES["pdf"]] = scratch / NAMES["pdf"]
            searchable.save(files[NAMES["pdf"]])
        return Answer({"text": "\n\f".join(texts), "page_count": len(self._source), "pages": pages}, files)

    def _searchable(self, scratch: Path) -> Searchable | None:
        """What becomes the searchable PDF, when one is wanted."""
        from spoolfarm.tasks.documents.assemble import Binding
        from spoolfarm.tasks.documents.pdf import SearchablePdf
        from spoolfarm.tasks.documents.source import PdfSource

        if "pdf" not in self._params.outputs:
            return None
        if isinstance(self._source, PdfSource):
            redo = self._params.existing == "redo"
            return SearchablePdf(self._source.pdf, [number - 1 for number in self._numbers], redo=redo)
        return Binding(self._source, self._params.dpi, scratch)

    def _parts(self) -> Iterator[tuple[int, Part | FarmError]]:
        """Each page's number, and the page as a picture with its parameters, or why it cannot be had."""
        common = {name: value for name, value in self._params.model_dump(mode="json").items() if name not in OWN}
        common["tables"] = wants_tables(self._params)
        if "pdf" in self._params.outputs and not self._is_pdf:
            common["outputs"] = ["pdf"]
        for number in self._numbers:
            try:
                page = self._source.page(number - 1)
                if not self._is_pdf:
                    images.check(page, f"page {number}", self._context.limits.pixels)
                scale = self._source.scale(number - 1)
            except FarmError as error:
                yield number, error
                continue
            yield number, (page, common if scale == 1 else {**common, "dpi": _enlarged(self._params.dpi, scale)})


class Searchable(Protocol):
    """A searchable PDF in the making."""

    def add(self, read: Page, attached: Mapping[str, bytes | Path]) -> None:
        """A page with what was *read* on it, and the files that came of it."""

    def save(self, path: Path) -> None:
        """Write it."""


def ranges(pages: str) -> Iterator[tuple[int, int | None]]:
    """The ranges in *pages*: first and last, or None for the document's last. Raises ValueError."""
    for part in pages.split(",") if pages.strip() else ():
        found = _PAGES.fullmatch(part)
        if not found:
            raise ValueError(f"{part.strip()!r} is no page, and no range such as 3-7 or 3-")
        first = int(found[1])
        yield first, (int(found[3]) if found[3] else None) if found[2] else first


def chosen(pages: str, count: int, most: int) -> list[int]:
    """The page numbers that *pages* means in a document of *count*. Raises InvalidParams, or TooLarge above *most*."""
    found = [range(first, min(last or count, count) + 1) for first, last in ranges(pages)] if pages else []
    numbers = sorted({number for each in found for number in each}) if pages.strip() else list(range(1, count + 1))
    if not numbers:
        raise InvalidParams(f"params.pages: none of them is in the document, which has {count}")
    if len(numbers) > most:
        raise TooLarge(
            f"{len(numbers)} pages are over the limit of {most}; raise FARM_MAX_PAGES or choose with params.pages"
        )
    return numbers


def _record(outcome: Answer | FarmError) -> dict[str, Any]:
    if isinstance(outcome, Answer):
        return dict(outcome.value)
    return {"error": str(outcome), "code": outcome.code}


def _summary(read: Page) -> dict[str, Any]:
    """What the answer says of a page; its lines are in a file."""
    if "error" in read.record:
        return {"page": read.number, **read.record}
    kept = ("width", "height", "dpi", "rotation", "source", "warnings", "lang")
    told = {name: read.record[name] for name in kept if name in read.record}
    return {"page": read.number, **told, "lines": sum(1 for _ in read.lines())}


def _enlarged(dpi: float | None, scale: float) -> float:
    """Dots per inch for a page whose unit is *scale* points, when *dpi* or what suits a drawn page is asked for."""
    from spoolfarm.tasks.ocr.pdf_page import DRAWN

    return min(max((dpi or DRAWN) * scale, float(COARSEST)), float(FINEST))
