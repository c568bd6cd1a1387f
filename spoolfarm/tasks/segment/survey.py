"""The survey: the objects of one picture measured one by one, counted by region and by size, and summed up."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from spoolfarm.tasks import areas
from spoolfarm.tasks.segment import measures
from spoolfarm.tasks.segment.instance import Instance, Pixels
from spoolfarm.tasks.segment.orientation import axis
from spoolfarm.tasks.segment.shape import shape
from spoolfarm.tasks.segment.sizes import OTHER, class_of
from spoolfarm.tasks.segment.wishes import Wishes


class Survey:
    """One picture (height, width, 3), BGR, and what is measured in it. Raises InvalidParams for a ruler beside it."""

    def __init__(self, wishes: Wishes, picture: Pixels) -> None:
        self._wishes = wishes
        self._picture = picture
        height, width = picture.shape[:2]
        #: Millimetres that a pixel is wide; None where nobody knows.
        self.scale = wishes.ruler.mm_per_pixel(width, height) if wishes.ruler else wishes.mm_per_pixel
        self._areas = wishes.regions, wishes.ignore
        self._counts = Counter[int]()
        self._covered = Counter[int]()
        self._sizes = Counter[str]()
        self._sums: defaultdict[str, float] = defaultdict(float)

    def chosen(self, instances: Iterable[Instance]) -> Iterator[tuple[Instance, int]]:
        """Those of *instances* that lie where they are wanted, as many as are, each with the number of its region."""
        where = ((each, areas.place(*axis(each).centroid, *self._areas)) for each in instances)
        wanted = ((each, region) for each, region in where if region is not None)
        return islice(wanted, self._wishes.max_detections)

    def take(self, instance: Instance, region: int) -> dict[str, Any]:
        """The measures of an object that lies in *region*; it is counted."""
        found = shape(instance, self._picture)
        told = measures.record(found, self.scale)
        self._counts[region] += 1
        self._covered[region] += found.axis.area
        for name, value in told.items():
            if isinstance(value, (int, float)) and not isinstance(value, bool) and not name.endswith("degree"):
                self._sums[name] += value
        if self._wishes.regions:
            told = {"region": region, **told}
        if self._wishes.size_classes:
            value = told[measures.key(self._wishes.size_by, scaled=self.scale is not None)]
            size = class_of(value, self._wishes.size_classes)
            self._sizes[size] += 1
            told = {"size_class": size, **told}
        return told

    def record(self) -> dict[str, Any]:
        """The scale, and what all objects that were taken come to."""
        count, area = self._counts.total(), self._covered.total()
        told: dict[str, Any] = {"count": count, "area_px": area}
        if self.scale is not None:
            told["area_mm2"] = measures.digits(area * self.scale**2)
        height, width = self._picture.shape[:2]
        told["covered"] = round(area / (height * width), 6)
        told["means"] = {name: measures.digits(value / count) for name, value in self._sums.items()}
        if self._wishes.regions:
            numbers = range(len(self._wishes.regions))
            told["regions"] = [
                {"region": each, "count": self._counts[each], "area_px": self._covered[each]} for each in numbers
            ]
        if self._wishes.size_classes:
            told["size_classes"] = {name: self._sizes[name] for name in (*self._wishes.size_classes, OTHER)}
        return {**({} if self.scale is None else {"mm_per_pixel": measures.digits(self.scale)}), "totals": told}
