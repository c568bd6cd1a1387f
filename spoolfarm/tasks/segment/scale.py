"""The scale of a picture: how many millimetres a pixel is wide, said at once or by a ruler in the picture."""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator

from spoolfarm.errors import InvalidParams
from spoolfarm.tasks.areas import Point

Millimetres = Annotated[float, Field(gt=0, le=1e6)]


class Ruler(BaseModel):
    """A ruler or a marker in the picture: two points, and how far they are apart."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)

    points: Annotated[list[Point], Field(min_length=2, max_length=2)] = Field(
        description="its two ends, [[x, y], [x, y]] in pixels"
    )
    mm: Millimetres = Field(description="millimetres between them")

    @field_validator("points")
    @classmethod
    def _apart(cls, points: list[list[float]]) -> list[list[float]]:
        if math.dist(*points) < 1:
            raise ValueError("the two points are less than a pixel apart")
        return points

    def mm_per_pixel(self, width: int, height: int) -> float:
        """The scale of a picture of that size. Raises InvalidParams when an end lies outside of it."""
        for number, (x, y) in enumerate(self.points):
            if not (-1 <= x <= width and -1 <= y <= height):
                where = f"params.ruler.points.{number}"
                raise InvalidParams(f"{where}: [{x:g}, {y:g}] lies outside of the picture, which has {width}x{height}")
        return self.mm / math.dist(*self.points)
