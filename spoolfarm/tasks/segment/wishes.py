"""The wishes: what the tasks that tell of every object are asked for, as parameters."""

from __future__ import annotations

from importlib.util import find_spec
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from spoolfarm.tasks import Params
from spoolfarm.tasks.areas import Polygons
from spoolfarm.tasks.segment.scale import Millimetres, Ruler
from spoolfarm.tasks.segment.sizes import OTHER

Label = Annotated[str, Field(min_length=1, max_length=100)]
Score = Annotated[float, Field(ge=0, le=1, description="objects that the model is less sure of are left out")]
Classes = Annotated[list[Label], Field(max_length=100)]
Limit = Annotated[float, Field(ge=0, le=1e12)]
#: From the first, which belongs to it, to the second, which does not; null: without an end.
Limits = Annotated[list[Limit | None], Field(min_length=2, max_length=2)]
#: What objects can be sorted by.
Size = Literal["equivalent_diameter", "area", "feret_max", "feret_min", "perimeter"]
#: A file that a result may have.
Table = Literal["csv", "xlsx", "histogram"]

CLASSES = "labels: only objects of these; empty: all"
#: The most objects that may be asked for.
MOST = 10_000
#: How many tiles along the longer side may be asked for.
TilesAcross = Annotated[int, Field(ge=1, le=8)]
TILES = (
    "how closely a picture is looked at: off, once as a whole; a number, in so many overlapping tiles along the longer "
    "side; auto, closer where the first look finds many small objects"
)
ENGINE = "who looks: net; classical; auto, the net where there is one"


class Wishes(Params):
    """Which objects, where, and how they are measured."""

    score_threshold: Score = 0.5
    max_detections: int = Field(default=1000, ge=1, le=MOST, description="only the surest so many")
    classes: Classes = Field(default=[], description=CLASSES)
    tiles: Literal["auto", "off"] | TilesAcross = Field(default="auto", description=TILES)
    engine: Literal["auto", "net", "classical"] = Field(default="auto", description=ENGINE)
    regions: Polygons = Field(default=[], description="polygons [[x, y], ...]: only objects centred in one of them")
    ignore: Polygons = Field(default=[], description="polygons [[x, y], ...]: no objects centred in one of them")
    mm_per_pixel: Millimetres | None = Field(default=None, description="the scale: millimetres that a pixel is wide")
    ruler: Ruler | None = Field(
        default=None, description="the scale by two points and the millimetres between them, in place of mm_per_pixel"
    )
    size_by: Size = Field(
        default="equivalent_diameter", description="the measure for size_classes and the histogram, in mm with a scale"
    )
    size_classes: dict[Label, Limits] = Field(
        default={},
        max_length=20,
        description='classes by size_by, {"small": [0, 5], "large": [5, null]}: from one limit to below the other',
    )
    outputs: list[Table] = Field(
        default=[],
        max_length=3,
        description="files: measures.csv, measures.xlsx (a row for each object, and one of totals), histogram.svg",
    )
    overlay: bool = Field(default=False, description="also the picture with its objects in colours: overlay.png")

    @field_validator("size_classes")
    @classmethod
    def _in_order(cls, classes: dict[str, list[float | None]]) -> dict[str, list[float | None]]:
        spans = [(low or 0.0, float("inf") if high is None else high, name) for name, (low, high) in classes.items()]
        for low, high, name in spans:
            if name == OTHER:
                raise ValueError(f"{OTHER!r} is what the objects in none of the classes are called")
            if low >= high:
                raise ValueError(f"{name!r} begins at {low:g} and ends at {high:g}")
        spans.sort()
        for (_, high, name), (low, _, other) in pairwise(spans):
            if low < high:
                raise ValueError(f"{name!r} and {other!r} overlap: one ends at {high:g}, the other begins at {low:g}")
        return classes

    @field_validator("outputs")
    @classmethod
    def _can_be_written(cls, outputs: list[Table]) -> list[Table]:
        if "xlsx" in outputs and find_spec("xlsxwriter") is None:
            raise ValueError("xlsx needs a library that is not installed here: pip install xlsxwriter")
        return outputs

    @model_validator(mode="after")
    def _one_scale(self) -> Wishes:
        if self.ruler is not None and self.mm_per_pixel is not None:
            raise ValueError("mm_per_pixel and ruler both say the scale; give one of them")
        return self

    @property
    def measured(self) -> bool:
        """Whether anything is asked for that needs measures."""
        return True
