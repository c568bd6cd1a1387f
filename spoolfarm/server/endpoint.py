"""An endpoint as `/openapi.json` describes it: what it takes, what it returns, and examples that run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeAlias

from pydantic import BaseModel, Field, WithJsonSchema

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"
#: A body that is a file, or a picture under whatever type.
OCTETS = "application/octet-stream"

#: The schema of a file.
BINARY = {"type": "string", "format": "binary"}
#: A part of a multipart body that is a file.
File: TypeAlias = Annotated[bytes, WithJsonSchema(BINARY)]

#: A picture of the word "farm", for the examples.
PICTURE = (
    "iVBORw0KGgoAAAANSUhEUgAAAFQAAAAoAQAAAABI8ODWAAAAeklEQVR42mP8zwADH5kYEID27L8KCPYfJPGfD0gz571C098USVsF"
    "BgYWBob/9b8f/Ljyn4GBiUHwgQ3Dne/MDQwMTAwM/5wOKHCUWMD0OghwQMxhbkAy8xcSmwPB/iuHYP9JQFLTgMNt/5DYNQg2SxeC"
    "zcQCZTPSOPwBHFUe6O5EP1gAAAAASUVORK5CYII="
)


@dataclass(frozen=True)
class Body:
    """A body of one content type: the model that checks it, and an example, files left out."""

    model: type[BaseModel]
    example: Mapping[str, Any]


@dataclass(frozen=True)
class Parameter:
    """A header or a part of the address."""

    name: str
    description: str
    #: Forms are filled with it, so what a request had better leave out has none.
    example: str | int | None = None
    place: str = "header"
    schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "string"})

    def described(self) -> dict[str, Any]:
        """As OpenAPI has it."""
        said: dict[str, Any] = {
            "name": self.name,
            "in": self.place,
            "required": self.place == "path",
            "description": self.description,
            "schema": dict(self.schema),
        }
        return said if self.example is None else {**said, "example": self.example}


PREFER = Parameter(
    "Prefer",
    "wait=SECONDS: how long to wait for the result, FARM_MAX_WAIT at most",
    "wait=10",
    schema={"type": "string", "pattern": r"^wait=[0-9]{1,6}(\.[0-9]{1,3})?$"},
)
RUN_ID = Parameter("run_id", "the id of a run, or of its job", "Net_1", "path", {"type": "string", "minLength": 1})
JOB_ID = Parameter("job_id", "the id of a job", "18ea0844a7f039d2f821d687", "path", {"type": "string", "minLength": 1})


#: What may stand in the query when the body is the picture itself, beside the parameters of the task: `params`
#: may, too, but some programs that make clients have that name for the whole query.
RAW_PRIORITY = Parameter(
    "priority",
    "when the body is the picture itself: 0 is done first, 9 last",
    place="query",
    schema={"type": "integer", "minimum": 0, "maximum": 9},
)
RAW_TASK = Parameter("task", "when the body is the picture itself: what to do with it", place="query")


@dataclass(frozen=True)
class Endpoint:
    """What `/openapi.json` says about one view; its description is the view's docstring."""

    #: The body by content type.
    body: Mapping[str, Body] = field(default_factory=dict)
    #: Whether the body may be the picture itself.
    raw: bool = False
    #: The good responses by status: a model, or a content type other than JSON, or several of them.
    responses: Mapping[int, Any] = field(default_factory=dict)
    #: Its own error responses, in addition to those that every endpoint may give.
    errors: tuple[int, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    #: The model that checks the query.
    query: type[BaseModel] | None = None
    #: The heading it is listed under, and its name there, where its users know it by another name than the view's.
    tag: str = ""
    operation: str = ""
    #: The task that it stands for, where the address does not say which: what it takes is told as that task takes it,
    #: and nothing is said of it where that is not installed.
    task: str = ""


#: A page for people, whose address has nothing in it that varies.
PAGE = Endpoint(responses={200: "text/html"}, tag="pages")


class Error(BaseModel):
    """Why not."""

    error: str = Field(description="a sentence for people; it names the field")
    code: str | None = Field(default=None, description="a word for programs; it stays the same")
    hint: str | None = Field(default=None, description="what to do about it")
