"""The segment task: every object in a picture, each with its mask."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from spoolfarm import images
from spoolfarm.errors import BrokenImage, FarmError, InvalidParams
from spoolfarm.spool.job import Job
from spoolfarm.system import threads
from spoolfarm.tasks import Answer, Context, Params, Task
from spoolfarm.tasks.segment.result import SegmentResult
from spoolfarm.tasks.segment.wishes import MOST, Wishes

if TYPE_CHECKING:
    from spoolfarm.tasks.segment.instance import Engine, Found, Wanted

#: The file in which a result has its overlay.
OVERLAY = "overlay.png"


class SegmentParams(Wishes):
    """Which objects, and what is told of them."""

    measures: bool = Field(
        default=False,
        description="also the measures of each object and their totals, as with a scale, size_classes or outputs",
    )
    polygon: bool = Field(default=False, description="also the outlines, as polygons [x, y, x, y, ...]")
    counts_encoding: Literal["base64", "ascii"] = Field(
        default="base64", description="how the run lengths are written: base64 of COCO's text, or that text itself"
    )

    @property
    def measured(self) -> bool:
        """Whether anything is asked for that needs measures."""
        scaled = self.mm_per_pixel is not None or self.ruler is not None
        return self.measures or scaled or bool(self.size_classes or self.outputs)


class Seeing(Task):
    """What the tasks that find objects share: the engine, and the way from a batch of jobs to what it found."""

    needs = ("FARM_SEGMENT_MODEL", "FARM_SEGMENT_PRECISION")
    _engine: Engine

    def prepare(self) -> None:
        from spoolfarm.tasks.segment import engines, overlay, records, survey  # noqa: F401  # for what they import

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
        most = job.params.get("max_detections", 100)
        if job.params.get("regions") or job.params.get("ignore"):
            most = MOST  # the surest so many of those that lie where they are wanted
        engine = job.params.get("engine", "auto")
        if engine not in self._engine.eyes:
            told = " or ".join(sorted(self._engine.eyes))
            raise InvalidParams(f"params.engine: the model {self._engine.model} is asked as {told}, not as {engine}")
        return Wanted(job.params["score_threshold"], most, chosen, job.params.get("tiles", "off"), engine)

    def _tell(self, job: Job, picture: images.Decoded, found: Found, ms: dict[str, float]) -> Any | Answer | FarmError:
        """The result of *job*; *ms* says how long what came before took."""
        raise NotImplementedError


class Segment(Seeing):
    """Answers every object in one picture with its mask, box, label, score and direction; see docs/masks.md."""

    Params: ClassVar[type[Params]] = SegmentParams
    results = (SegmentResult,)

    def _tell(self, job: Job, picture: images.Decoded, found: Found, ms: dict[str, float]) -> Any:
        from spoolfarm.tasks.segment import report
        from spoolfarm.tasks.segment.overlay import Overlay
        from spoolfarm.tasks.segment.records import mask_record, picture_record, tiles_record
        from spoolfarm.tasks.segment.survey import Survey

        params = SegmentParams.model_validate(job.params)
        begin = time.perf_counter()
        try:
            survey = Survey(params, picture.pixels)
        except InvalidParams as error:
            return error
        overlay = Overlay(picture.pixels) if params.overlay else None
        size = picture.pixels.shape[0], picture.pixels.shape[1]
        told = {"ascii_counts": params.counts_encoding == "ascii", "polygon": params.polygon}
        masks = []
        for number, (instance, region) in enumerate(survey.chosen(found.instances)):
            label = self._engine.labels.get(instance.category, str(instance.category))
            record = mask_record(instance, number, size, label, **told)
            masks.append(record | survey.take(instance, region) if params.measured else record)
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
            **(survey.record() if params.measured else {}),
            "tiles": tiles_record(found),
            **picture_record(picture, found.by or self._engine, ms),
        }
        files |= report.files(params, job.name, value)
        return Answer(value, files) if files else value

    def summarise(self, params: Mapping[str, Any], answers: Iterable[tuple[str, Any]], folder: Path) -> Sequence[str]:
        from spoolfarm.tasks.segment import report

        wishes = SegmentParams.model_validate(params)
        return report.of_folder(wishes, answers, folder) if wishes.measured else ()
