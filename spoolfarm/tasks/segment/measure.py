"""The measure task: how many objects there are in a picture, how large each is, and what they come to."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from spoolfarm import images
from spoolfarm.errors import InvalidParams
from spoolfarm.spool.job import Job
from spoolfarm.tasks import Answer, Params
from spoolfarm.tasks.segment.result import MeasureResult
from spoolfarm.tasks.segment.task import OVERLAY, Seeing
from spoolfarm.tasks.segment.wishes import Wishes

if TYPE_CHECKING:
    from spoolfarm.tasks.segment.instance import Found, Instance

#: What `segment` tells of an object and this task tells in other words, with units.
OTHERWISE = ("area", "centroid", "axes")


class MeasureParams(Wishes):
    """Which objects, where, and how they are measured."""


class Measure(Seeing):
    """Answers how many objects are in one picture, the measures of each, and their totals; see docs/measure.md."""

    Params: ClassVar[type[Params]] = MeasureParams
    results = (MeasureResult,)

    def _tell(self, job: Job, picture: images.Decoded, found: Found, ms: dict[str, float]) -> Any:
        from spoolfarm.tasks.segment import report
        from spoolfarm.tasks.segment.overlay import Overlay
        from spoolfarm.tasks.segment.records import picture_record, tiles_record
        from spoolfarm.tasks.segment.survey import Survey

        params = MeasureParams.model_validate(job.params)
        begin = time.perf_counter()
        try:
            survey = Survey(params, picture.pixels)
        except InvalidParams as error:
            return error
        overlay = Overlay(picture.pixels) if params.overlay else None
        objects = []
        for number, (instance, region) in enumerate(survey.chosen(found.instances)):
            objects.append({"object": number, **self._object(instance), **survey.take(instance, region)})
            if overlay is not None:
                overlay.draw(instance, name=str(number))
        ms |= {"measures": (time.perf_counter() - begin) * 1000}
        value = {
            "count": len(objects),
            "objects": objects,
            **survey.record(),
            "tiles": tiles_record(found),
            **picture_record(picture, found.by or self._engine, ms),
        }
        files = report.files(params, job.name, value)
        if overlay is not None:
            files[OVERLAY] = overlay.png()
        return Answer(value, files) if files else value

    def _object(self, instance: Instance) -> dict[str, Any]:
        """What an object is and how it lies."""
        from spoolfarm.tasks.segment.orientation import axis
        from spoolfarm.tasks.segment.records import object_record

        label = self._engine.labels.get(instance.category, str(instance.category))
        told = object_record(instance, axis(instance), label)
        return {name: value for name, value in told.items() if name not in OTHERWISE}

    def summarise(self, params: Mapping[str, Any], answers: Iterable[tuple[str, Any]], folder: Path) -> Sequence[str]:
        from spoolfarm.tasks.segment import report

        return report.of_folder(MeasureParams.model_validate(params), answers, folder)
