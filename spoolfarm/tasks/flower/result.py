"""The results of `classify` and `simulate`, as models for the documentation."""

from __future__ import annotations

from pydantic import BaseModel, Field


class ClassChance(BaseModel):
    """A class, and how likely it is."""

    label: str
    probability: float


class ClassifyResult(BaseModel):
    """What a model says of a picture."""

    model: str
    predictions: list[ClassChance] = Field(description="the likeliest first")
    ms: dict[str, float]


class SimulateResult(BaseModel):
    """A simulation that ended well."""

    exit_code: int
    folder: str | None = Field(description="where it left its model")
    seconds: float
