"""What there is to know of a model before it can be built: its labels, and the pictures it was trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, ValidationError

from spoolfarm.errors import BadModel
from spoolfarm.tasks.flower.project import Model, read_json
from spoolfarm.validation import findings

Deviation = Annotated[float, Field(gt=0)]


class Normalisation(BaseModel):
    """Mean and deviation of the channels, on a scale of 0 to 1."""

    mean: Annotated[list[float], Field(min_length=1, max_length=3)]
    std: Annotated[list[Deviation], Field(min_length=1, max_length=3)]


class Told(BaseModel):
    """What the record of a run tells, as far as it does."""

    classes: list[str | int] | None = None
    input_channels: Literal[1, 3] | None = None
    input_size: Annotated[int, Field(ge=1, le=4096)] | None = None
    normalisation: Normalisation | None = None
    arguments: dict[str, Any] = Field(default_factory=dict)


@dataclass(frozen=True)
class ModelInfo:
    """How a model's pictures are made and what its outputs are called."""

    labels: Sequence[str]
    size: int
    mean: Sequence[float]
    std: Sequence[float]
    #: 1 or 3; None when only the model can tell.
    channels: int | None
    #: What the class is made with.
    arguments: Mapping[str, Any]

    @classmethod
    def of(cls, model: Model, settings: Mapping[str, Any]) -> ModelInfo:
        """What the JSON of *model* tells, and the settings for the rest. Raises BadModel when a run's is damaged."""
        try:
            told = Told.model_validate(read_json(model.about))
        except FileNotFoundError:
            told = Told()
        except (OSError, ValueError) as error:
            if model.is_run:
                raise BadModel(f"the record of {model.id!r} cannot be used: {_first(error)}") from error
            told = Told()  # a history that is not what it should be says nothing about its model
        scale = told.normalisation
        return cls(
            labels=settings["CLASS_LABELS"] if told.classes is None else [str(each) for each in told.classes],
            size=told.input_size or settings["IMG_SIZE"],
            mean=scale.mean if scale else settings["IMG_MEAN"],
            std=scale.std if scale else settings["IMG_STD"],
            channels=told.input_channels,
            arguments=told.arguments,
        )


def spread(values: Sequence[float], channels: int) -> list[float]:
    """One value for each of *channels*; what is given for colours counts for grey on average."""
    if len(values) == channels:
        return list(values)
    return [sum(values) / len(values)] * channels


def _first(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return findings(error)[0]
    return str(error.strerror if isinstance(error, OSError) else error)
