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
from spoolfarm.tasks import Answer, Context, Task
from spoolfarm.tasks.segment.result import SegmentResult
from spoolfarm.tasks.segment.wishes import MOST, Wishes

if TYPE_CHECKING:
    from spoolfarm.tasks.segment.instance import Engine, Found, Instance, Wanted

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
        tiles = job.params.get("tiles", "off")
        if tiles not in ("auto", "off", 1) and engine not in self._engine.tiled:
            who = "the classical engine" if engine == "classical" else f"the model {self._engine.model}"
            raise InvalidParams(f"params.tiles: {who} looks at a picture as a whole; leave it out")
        return Wanted(job.params["score_threshold"], most, chosen, tiles, engine)

    def _tell(self, job: Job, picture: images.Decoded, found: Found, ms: dict[str, float]) -> Any | Answer | FarmError:
        """The result of *job*; *ms* says how long what came before took."""
        raise NotImplementedError


class Surveying(Seeing):
    """What the tasks that tell of every object share: which of them, their measures, the overlay and the files."""

    Params: ClassVar[type[Wishes]]
    #: What telling of the objects is called among the milliseconds.
    stage: ClassVar[str]
    #: Whether the overlay has the objects' numbers.
    numbered: ClassVar[bool] = False

    def _tell(self, job: Job, picture: images.Decoded, found: Found, ms: dict[str, float]) -> Any:
        from spoolfarm.tasks.segment import report
        from spoolfarm.tasks.segment.overlay import Overlay
        from spoolfarm.tasks.segment.records import picture_record, tiles_record
        from spoolfarm.tasks.segment.survey import Survey

        wishes = self.Params.model_validate(job.params)
        begin = time.perf_counter()
        try:
            survey = Survey(wishes, picture.pixels)
        except InvalidParams as error:
            return error
        overlay = Overlay(picture.pixels) if wishes.overlay else None
        size = picture.pixels.shape[0], picture.pixels.shape[1]
        told = []
        for number, (instance, region) in enumerate(survey.chosen(found.instances)):
            label = self._engine.labels.get(instance.category, str(instance.category))
            record = self._object(job.params, number, instance, label, size)
            told.append(record | survey.take(instance, region) if wishes.measured else record)
            if overlay is not None:
                overlay.draw(instance, name=str(number) if self.numbered else "")
        ms |= {self.stage: (time.perf_counter() - begin) * 1000}
        files = {}
        if overlay is not None:
            begin = time.perf_counter()
            files[OVERLAY] = overlay.png()
            ms |= {"overlay": (time.perf_counter() - begin) * 1000}
        value = {
            **self._objects(job.params, told),
            **(survey.record() if wishes.measured else {}),
            "tiles": tiles_record(found),
            **picture_record(picture, found.by or self._engine, ms),
        }
        files |= report.files(wishes, job.name, value)
        return Answer(value, files) if files else value

    def _object(
        self, params: Mapping[str, Any], number: int, instance: Instance, label: str, size: tuple[int, int]
    ) -> dict[str, Any]:
        """What is told of an object of a picture of *size* (height, width), but for its measures."""
        raise NotImplementedError

    def _objects(self, params: Mapping[str, Any], told: list[dict[str, Any]]) -> dict[str, Any]:
        """What the answer begins with: the objects that were *told* of, and how many they are."""
        raise NotImplementedError

    def summarise(self, params: Mapping[str, Any], answers: Iterable[tuple[str, Any]], folder: Path) -> Sequence[str]:
        from spoolfarm.tasks.segment import report

        wishes = self.Params.model_validate(params)
        return report.of_folder(wishes, answers, folder) if wishes.measured else ()


class Segment(Surveying):
    """Answers every object in one picture with its mask, box, label, score and direction; see docs/masks.md."""

    Params: ClassVar[type[Wishes]] = SegmentParams
    results = (SegmentResult,)
    stage = "masks"

    def _object(
        self, params: Mapping[str, Any], number: int, instance: Instance, label: str, size: tuple[int, int]
    ) -> dict[str, Any]:
        from spoolfarm.tasks.segment.records import mask_record

        ascii_counts = params["counts_encoding"] == "ascii"
        return mask_record(instance, number, size, label, ascii_counts=ascii_counts, polygon=params["polygon"])

    def _objects(self, params: Mapping[str, Any], told: list[dict[str, Any]]) -> dict[str, Any]:
        encoding = params["counts_encoding"]
        return {"status": "success", "count": len(told), "masks": told, "counts_encoding": encoding}
