"""The ocr task: Chinese and English text in a picture, with its boxes, in reading order."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from spoolfarm import images, threads
from spoolfarm.errors import BrokenImage
from spoolfarm.job import Job
from spoolfarm.tasks import Context, Params, Task

if TYPE_CHECKING:
    from spoolfarm.ocr.reader import Reader

Coordinate = Annotated[float, Field(ge=-1e6, le=1e6)]
Point = Annotated[list[Coordinate], Field(min_length=2, max_length=2)]
Polygon = Annotated[list[Point], Field(min_length=3, max_length=100)]
Polygons = Annotated[list[Polygon], Field(max_length=100)]


class OcrParams(Params):
    """How to read."""

    rotate: Literal["auto", "none"] = Field(
        default="auto",
        description="auto: text may be turned by quarters, and the page's turn is told; none: it is upright",
    )
    side: int = Field(
        default=1280,
        ge=320,
        le=4096,
        description="pixels the longer side is shrunk to for finding lines; more finds smaller text",
    )
    min_score: float = Field(default=0.5, ge=0, le=1, description="lines the recogniser is less sure of are dropped")
    order: Literal["auto", "rows", "none"] = Field(
        default="auto", description="auto: column by column, then row by row; rows: straight across; none: as found"
    )
    regions: Polygons = Field(default=[], description="polygons [[x, y], ...]: only lines centred in one of them")
    ignore: Polygons = Field(default=[], description="polygons [[x, y], ...]: no lines centred in one of them")


class Ocr(Task):
    """Answers the text of one picture, its lines with their boxes, and how the page is turned; see docs/ocr.md."""

    Params = OcrParams
    _reader: Reader

    def setup(self) -> None:
        from spoolfarm.ocr.reader import Reader

        threads.limit()
        self._reader = Reader(threads.budget())

    def run(self, batch: Sequence[Job], context: Context) -> list[Any]:
        return [self._read(job) for job in batch]

    def _read(self, job: Job) -> dict[str, Any] | BrokenImage:
        params = OcrParams.model_validate(job.params)
        start = time.perf_counter()
        try:
            picture = images.decode(job.images[0])
        except BrokenImage as error:
            return error
        decode = (time.perf_counter() - start) * 1000
        page = self._reader.read(
            picture,
            rotate=params.rotate == "auto",
            side=params.side,
            min_score=params.min_score,
            order=params.order,
            regions=params.regions,
            ignore=params.ignore,
        )
        record = page.record()
        return record | {"ms": {"decode": round(decode, 1), **record["ms"]}}
