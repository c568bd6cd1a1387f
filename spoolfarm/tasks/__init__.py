"""Tasks: what the farm can do. A task is a class; `registry.py` knows where each one lives."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from spoolfarm.errors import FarmError, InvalidParams, JobFailed
from spoolfarm.spool.job import Job
from spoolfarm.validation import findings

log = logging.getLogger("spoolfarm.tasks")


@dataclass(frozen=True)
class Answer:
    """A result that comes with files: what JSON can say, and by name the bytes, or the Path of a file.

    A name is one part of a path. A file in `Context.scratch` is linked, one elsewhere is copied.
    """

    value: Any
    files: Mapping[str, bytes | Path]


@dataclass(frozen=True, slots=True)
class Limits:
    """What the farm's settings allow, where only a worker can see whether a job keeps to it."""

    #: Pixels of one picture, and pages of one document.
    pixels: int = 50_000_000
    pages: int = 5000


class Stopping(Exception):
    """The worker is to end: the job goes back into the queue as if it had not been claimed."""


#: A picture, or None for a task that takes none, and the parameters of the job that it becomes.
Part: TypeAlias = tuple[bytes | None, Mapping[str, Any]]
#: What a task knows a part by.
Key = TypeVar("Key")


class Context(Protocol):
    """What a running task may report and query."""

    @property
    def limits(self) -> Limits:
        """What the farm's settings allow."""

    def log(self, line: str) -> None:
        """Add *line* to the job's log, where followers see it at once."""

    def progress(self, fraction: float) -> None:
        """Say how much is done, 0 to 1."""

    def cancelled(self) -> bool:
        """Whether a cancellation was requested; a task that waits for something polls this."""

    def scratch(self) -> Path:
        """A directory for files too large to hold in memory; it goes when the batch has ended."""

    def map(self, task: str, items: Iterable[tuple[Key, Part | FarmError]]) -> Iterator[tuple[Key, Answer | FarmError]]:
        """Have each part done by the workers of *task*, as a job of its own; its key and how it ended, in order.

        An item is a key of any kind and the part; an error in the place of a part comes back when it is its turn. So
        many are under way at once as keep those workers busy, and *items* is taken no further. When this job runs again
        because its worker died, what is done is not done again: the items must then be the same. Raises JobCancelled
        when this job was cancelled. The files of an Answer are paths that are good until the batch ends.
        """


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
    #: The models of what it may answer, which the documentation tells; none: anything.
    results: ClassVar[tuple[type[BaseModel], ...]] = ()
    #: How many jobs `run` takes at once; `setup` may say it better.
    max_batch: int = 1
    #: How few and how many pictures a job carries.
    min_images: ClassVar[int] = 1
    max_images: ClassVar[int] = 1
    #: Whether the bytes must be pictures the farm can decode; False takes any bytes.
    pictures: ClassVar[bool] = True
    #: Whether a PDF is accepted in place of a picture.
    pdf: ClassVar[bool] = False
    #: The tasks of the jobs into which it is divided by `Context.map`.
    parts: ClassVar[tuple[str, ...]] = ()
    #: Which workers run it: "general", or those of another lane, reserved so that long jobs never starve short ones.
    lane: ClassVar[str] = "general"
    #: How often a job is attempted when its worker dies each time; 0: FARM_MAX_ATTEMPTS times. 1 is for what must not
    #: be done twice.
    tries: ClassVar[int] = 0
    #: The names of the farm's settings that it needs.
    needs: ClassVar[tuple[str, ...]] = ()
    #: Their values by name, there before `validate` and `setup` are called.
    settings: Mapping[str, Any] = {}

    def instead(self, images: Sequence[bytes], params: Mapping[str, Any]) -> str | None:
        """The task that a job with *images* and *params* is for in place of this one, or None. Asked first."""
        return None

    def validate(self, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return *params* as `run` wants them, defaults filled in. Raises InvalidParams for what can never work."""
        try:
            return _valid(self.Params, params).model_dump(mode="json")
        except ValidationError as error:
            raise InvalidParams("; ".join(findings(error, "params"))) from error
        except ValueError as error:  # of another type, too deep, or around in a circle
            raise InvalidParams(f"params: hold something that JSON cannot say: {error}") from error

    def stays(self, params: Mapping[str, Any]) -> bool:
        """Whether a job with *params* runs on the farm's own machine even where others run on a cluster.

        It has to when it has parts, or reads or writes the farm's own folders. A task that stays with no parameters
        at all always does.
        """
        return bool(self.parts)

    def describe(self) -> dict[str, Any]:
        """What `GET /v1/tasks` says of it: its first sentence, its parameters' JSON schema, and what it takes."""
        return {
            "description": (type(self).__doc__ or "").strip().partition("\n")[0],
            "params": schema(self.Params),
            "min_images": self.min_images,
            "max_images": self.max_images,
            "lane": self.lane,
        }

    def summarise(self, params: Mapping[str, Any], answers: Iterable[tuple[str, Any]], folder: Path) -> Sequence[str]:
        """Write into *folder* what there is to say of many answers together, and return the names of the files.

        `spoolfarm batch` calls it at the end, with the parameters as `validate` returned them and each answer's value
        beside the name of its input.
        """
        return ()

    def faults(self) -> Iterable[str]:
        """What is wrong with the settings that it needs, a sentence each with the setting's name; told at the start."""
        return ()

    def prepare(self) -> None:
        """Load what all workers may share: modules, and weights in memory. Called once, before they are forked, in a
        process with one thread. So it must start no thread, run no model and open no device; `setup` follows in each
        worker, and is called without it where workers are not forked."""

    def setup(self) -> None:
        """Load what `run` needs. Called once in each worker, before it claims anything."""

    def run(self, batch: Sequence[Job], context: Context) -> list[Any]:
        """Return one result for each job of *batch*, in order: a JSON value, an Answer, or a FarmError for a
        job that failed."""
        raise NotImplementedError


def _valid(model: type[Params], params: Mapping[str, Any]) -> Params:
    """*params* as a *model*: they may be its own types, or what JSON has in their place. Raises ValidationError.

    A strict model takes text for a date or an enum, and a list for a tuple, only where it knows that it reads JSON.
    """
    try:
        return model.model_validate(params)
    except ValidationError:
        try:
            text = json.dumps(params)
        except (TypeError, ValueError, RecursionError):
            text = None
        if text is None:
            raise
    return model.model_validate_json(text)


def checked(task: Task, name: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
    """*params* as *task*, which is called *name*, wants them, whatever its code does.

    Raises what its `validate` may raise, and JobFailed where that fails otherwise, or returns no parameters.
    """
    try:
        found = task.validate(params)
        if not isinstance(found, Mapping):
            raise TypeError(f"it returned an object of type {type(found).__name__} in place of parameters")
    except (FarmError, KeyboardInterrupt, MemoryError):
        raise
    except BaseException as error:  # what ends a process must not end the front
        log.exception("task %s: its validate failed", name)
        said = f"task {name}: its validate failed: {type(error).__name__}: {error}"
        raise JobFailed(said, code="task_error") from error
    return found


def wrong_number(task: Task, name: str, field: str, number: int) -> str:
    """Why so many pictures in *field* are too few or too many for *task*, which is called *name*."""
    least, most = task.min_images, task.max_images
    if not most:
        return f"{field}: {name} takes no image"
    wanted = "one image" if most == 1 else f"{least} images" if least == most else f"{least} to {most} images"
    verb = "needs" if number < least else "takes"
    sent = "none was sent" if not number else "1 was sent" if number == 1 else f"{number} were sent"
    return f"{name} {verb} {wanted} in the field {field}; {sent}"


@lru_cache(maxsize=64)
def schema(params: type[BaseModel]) -> dict[str, Any]:
    """The JSON schema of *params*, not to be changed: `GET /v1/tasks` asks for all, and making one takes .5 ms."""
    return params.model_json_schema()
