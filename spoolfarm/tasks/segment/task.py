"""The segment task: every object in a picture, each with its mask."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from spoolfarm import images
from spoolfarm.errors import BrokenImage, FarmError, InvalidParams
from spoolfarm.spool.job import Job
from spoolfarm.system import threads
from spoolfarm.tasks import Answer, Context, Params, Task
from spoolfarm.tasks.segment.result import SegmentResult

if TYPE_CHECKING:
    from spoolfarm.tasks.segment.instance import Engine, Found, Wanted

#: The file in which a result has its overlay.
OVERLAY = "overlay.png"

Label = Annotated[str, Field(min_length=1, max_length=100)]
Score = Annotated[float, Field(ge=0, le=1, description="objects that the model is less sure of are left out")]
Classes = Annotated[list[Label], Field(max_length=100)]

CLASSES = "labels: only objects of these; empty: all"


class SegmentParams(Params):
    """Which objects, and what is told of them."""

    score_threshold: Score = 0.5
    max_detections: int = Field(default=100, ge=1, le=1000, description="only the surest so many")
    classes: Classes = Field(default=[], description=CLASSES)
    polygon: bool = Field(default=False, description="also the outlines, as polygons [x, y, x, y, ...]")
    overlay: bool = Field(default=False, description="also the picture with its objects in colours: overlay.png")
    counts_encoding: Literal["base64", "ascii"] = Field(
        default="base64", description="how the run lengths are written: base64 of COCO's text, or that text itself"
    )


class Seeing(Task):
    """What the tasks that find objects share: the engine, and the way from a batch of jobs to what it found."""

    needs = ("FARM_SEGMENT_MODEL", "FARM_SEGMENT_PRECISION")
    _engine: Engine

    def prepare(self) -> None:
        from spoolfarm.tasks.segment import engines, overlay, records  # noqa: F401  # two of them for what they import

        engines.prepare(self.settings["FARM_SEGMENT_MODEL"])

    def setup(self) -> None:
        from spoolfarm.tasks.segment.engines import engine

        self._engine = engine(self.settings["FARM_SEGMENT_MODEL"], self.settings["FARM_SEGMENT_PRECISION"])
        threads.limit()
        self.max_batch = self._engine.batch

    def run(self, batch: Sequence[Job], context: Context) -> list[Any]:
        results: list[Any] = [None] * len(batch)
        seen = []
        for number, job in enumerate(batch):
            begin = time.perf_counter()
            try:
                wanted = self._wanted(job)
                picture = images.read(job.images[0], stretch=True)
            except (BrokenImage, InvalidParams) as error:
                results[number] = error
            else:
                seen.append((number, picture, wanted, (time.perf_counter() - begin) * 1000))
        found = self._engine.find([each[1].pixels for each in seen], [each[2] for each in seen]) if seen else []
        for (number, picture, _, decode), each in zip(seen, found, strict=True):
            results[number] = self._tell(batch[number], picture, each, {"decode": decode, **each.ms})
        return results

    def _wanted(self, job: Job) -> Wanted:
        """Which objects *job* asks for. Raises InvalidParams for a label that the model does not know."""
        from spoolfarm.tasks.segment.instance import Wanted

        ids = {label: number for number, label in self._engine.labels.items()}
        classes = job.params["classes"]
        if unknown := [label for label in classes if label not in ids]:
            known = ", ".join(ids)
            raise InvalidParams(f"params.classes: the model {self._engine.model} knows no {unknown[0]!r}, only {known}")
        chosen = frozenset(ids[label] for label in classes) if classes else None
        return Wanted(job.params["score_threshold"], job.params.get("max_detections", 100), chosen)

    def _tell(self, job: Job, picture: images.Decoded, found: Found, ms: dict[str, float]) -> Any | Answer | FarmError:
        """The result of *job*; *ms* says how long what came before took."""
        raise NotImplementedError


class Segment(Seeing):
    """Answers every object in one picture with its mask, box, label, score and direction; see docs/masks.md."""

    Params: ClassVar[type[Params]] = SegmentParams
    results = (SegmentResult,)

    def _tell(self, job: Job, picture: images.Decoded, found: Found, ms: dict[str, float]) -> Any:
        from spoolfarm.tasks.segment.overlay import Overlay
        from spoolfarm.tasks.segment.records import mask_record, picture_record

        params = SegmentParams.model_validate(job.params)
        begin = time.perf_counter()
        overlay = Overlay(picture.pixels) if params.overlay else None
        size = picture.pixels.shape[0], picture.pixels.shape[1]
        told = {"ascii_counts": params.counts_encoding == "ascii", "polygon": params.polygon}
        masks = []
        for number, instance in enumerate(found.instances):
            label = self._engine.labels.get(instance.category, str(instance.category))
            masks.append(mask_record(instance, number, size, label, **told))
            if overlay is not None:
                overlay.draw(instance)
        masked = time.perf_counter()
        files = {OVERLAY: overlay.png()} if overlay is not None else {}
        ms |= {"masks": (masked - begin) * 1000}
        if overlay is not None:
            ms |= {"overlay": (time.perf_counter() - masked) * 1000}
        value = {
            "status": "success",
            "count": len(masks),
            "masks": masks,
            "counts_encoding": params.counts_encoding,
            **picture_record(picture, self._engine, ms),
        }
        return Answer(value, files) if files else value
