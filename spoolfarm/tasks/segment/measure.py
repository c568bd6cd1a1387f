"""The measure task: how many objects there are in a picture, how large each is, and what they come to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from spoolfarm.tasks.segment.result import MeasureResult
from spoolfarm.tasks.segment.task import Surveying
from spoolfarm.tasks.segment.wishes import Wishes

if TYPE_CHECKING:
    from spoolfarm.tasks.segment.instance import Instance

#: What `segment` tells of an object and this task tells in other words, with units.
OTHERWISE = ("area", "centroid", "axes")


class MeasureParams(Wishes):
    """Which objects, where, and how they are measured."""


class Measure(Surveying):
    """Answers how many objects are in one picture, the measures of each, and their totals; see docs/measure.md."""

    Params: ClassVar[type[Wishes]] = MeasureParams
    results = (MeasureResult,)
    stage = "measures"
    numbered = True

    def _object(
        self, params: Mapping[str, Any], number: int, instance: Instance, label: str, size: tuple[int, int]
    ) -> dict[str, Any]:
        from spoolfarm.tasks.segment.orientation import axis
        from spoolfarm.tasks.segment.records import object_record

        told = object_record(instance, axis(instance), label)
        return {"object": number, **{name: value for name, value in told.items() if name not in OTHERWISE}}

    def _objects(self, params: Mapping[str, Any], told: list[dict[str, Any]]) -> dict[str, Any]:
        return {"count": len(told), "objects": told}
