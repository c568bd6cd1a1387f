"""Tasks: what the farm can do. A task is a class; `registry.py` knows where each one lives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

from pydantic import BaseModel, ConfigDict, ValidationError

from spoolfarm.errors import InvalidParams
from spoolfarm.job import Job


@dataclass(frozen=True)
class Answer:
    """A result that comes with files: what JSON can say, and by name the bytes, or a path in `Context.scratch`."""

    value: Any
    files: Mapping[str, bytes | Path]


class Context(Protocol):
    """What a running task may tell and ask."""

    def log(self, line: str) -> None:
        """Add *line* to the job's log, where followers see it at once."""

    def progress(self, fraction: float) -> None:
        """Say how much is done, 0 to 1."""

    def cancelled(self) -> bool:
        """Whether somebody asked to cancel; a task that waits on something asks this on a timer."""

    def scratch(self) -> Path:
        """A directory for files too large to hold in memory; it goes when the batch has ended."""


class Params(BaseModel):
    """The parameters of a task: a subclass names them with their types, bounds and defaults."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class Task:
    """One thing the farm can do.

    The front makes one to validate requests; each worker makes one, sets it up once and runs it many times. So
    modules of tasks import heavy libraries only inside `setup` and `run`.
    """

    #: The model that checks the parameters; the default takes none.
    Params: ClassVar[type[Params]] = Params
    #: How many jobs `run` takes at once.
    max_batch: ClassVar[int] = 1
    #: How few and how many pictures a job carries.
    min_images: ClassVar[int] = 1
    max_images: ClassVar[int] = 1
    #: Whether the bytes must be pictures the farm can decode; False takes any bytes.
    pictures: ClassVar[bool] = True
    #: Which workers run it: "general", or those of another lane, kept aside so that long jobs never starve short ones.
    lane: ClassVar[str] = "general"
    #: How often a job may be started whose worker dies each time; 0: FARM_MAX_ATTEMPTS times. 1 is for what must not be
    #: done twice.
    tries: ClassVar[int] = 0
    #: The names of the farm's settings that it wants to know.
    needs: ClassVar[tuple[str, ...]] = ()
    #: Their values by name, there before `validate` and `setup` are called.
    settings: Mapping[str, Any] = {}

    def validate(self, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return *params* as `run` wants them, defaults filled in. Raises InvalidParams for what can never work."""
        try:
            return self.Params.model_validate(params).model_dump(mode="json")
        except ValidationError as error:
            raise InvalidParams("; ".join(sentence(found) for found in error.errors())) from error

    def describe(self) -> dict[str, Any]:
        """What `GET /v1/tasks` says of it: its first sentence, its parameters' JSON schema, and what it takes."""
        return {
            "description": (type(self).__doc__ or "").strip().partition("\n")[0],
            "params": self.Params.model_json_schema(),
            "min_images": self.min_images,
            "max_images": self.max_images,
            "lane": self.lane,
        }

    def setup(self) -> None:
        """Load what `run` needs. Called once in each worker, before it claims anything."""

    def run(self, batch: Sequence[Job], context: Context) -> list[Any]:
        """Return one result for each job of *batch*, in order: a JSON value, an Answer, or a FarmError for a
        job that failed."""
        raise NotImplementedError


def sentence(found: Mapping[str, Any]) -> str:
    """One finding of pydantic's as 'params.min_score: Input should be ...'."""
    where = ".".join(["params", *map(str, found["loc"])])
    return f"{where}: {found['msg']}"
