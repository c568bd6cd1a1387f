"""An endpoint as `/openapi.json` describes it: what it takes, what it returns, and examples that run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeAlias

from pydantic import BaseModel, Field, WithJsonSchema

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"

#: A part of a multipart body that is a file.
File: TypeAlias = Annotated[bytes, WithJsonSchema({"type": "string", "format": "binary"})]

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
    example: str
    place: str = "header"
    schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "string"})

    def described(self) -> dict[str, Any]:
        """As OpenAPI has it."""
        return {
            "name": self.name,
            "in": self.place,
            "required": self.place == "path",
            "description": self.description,
            "schema": dict(self.schema),
            "example": self.example,
        }


PREFER = Parameter(
    "Prefer",
    "wait=SECONDS: how long to wait for the result, FARM_MAX_WAIT at most",
    "wait=10",
    schema={"type": "string", "pattern": r"^wait=[0-9]{1,6}(\.[0-9]{1,3})?$"},
)
JOB_ID = Parameter("job_id", "the id of a job", "18ea0844a7f039d2f821d687", "path", {"type": "string", "minLength": 1})


@dataclass(frozen=True)
class Endpoint:
    """What `/openapi.json` says about one view; its description is the view's docstring."""

    #: The body by content type.
    body: Mapping[str, Body] = field(default_factory=dict)
    #: The good responses by status: a model, or a content type other than JSON.
    responses: Mapping[int, Any] = field(default_factory=dict)
    #: Its own error responses, in addition to those that every endpoint may give.
    errors: tuple[int, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    #: The model that checks the query.
    query: type[BaseModel] | None = None
    #: The heading it is listed under, and its name there, where its users know it by another name than the view's.
    tag: str = ""
    operation: str = ""
    #: The task that it stands for: the endpoint is left out where that is not installed.
    task: str = ""


class Error(BaseModel):
    """Why not."""

    error: str = Field(description="a sentence for people; it names the field")
    code: str | None = Field(default=None, description="a word for programs; it stays the same")
    hint: str | None = Field(default=None, description="what to do about it")
