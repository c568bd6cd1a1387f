"""The body of a request: fields and pictures, from JSON, a form or multipart, all in one shape."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from flask import request
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from spoolfarm import images
from spoolfarm.errors import InvalidRequest, UnsupportedMedia
from spoolfarm.server.current import farm
from spoolfarm.server.endpoint import File
from spoolfarm.spool.job import FIRST, LAST, NORMAL
from spoolfarm.validation import check_sayable, findings, json_object

Model = TypeVar("Model", bound=BaseModel)

#: Seconds within which a whole request must arrive, and the number of bytes that earns it one more second.
REQUEST_DEADLINE, SLOWEST = 60.0, 2**14
#: How deep JSON may nest.
MAX_DEPTH = 32
#: The parts that a multipart body may have: as text, and as files.
TEXTS = ("task", "image", "images", "params", "priority")
FILES = ("image", "images", "file")
_PREFER_WAIT = re.compile(r"\s*wait\s*=\s*\"?(\d+(?:\.\d+)?)\"?\s*")


class JobBody(BaseModel):
    """What a client says about a job: its task, its pictures in base64, its parameters and its priority."""

    model_config = ConfigDict(strict=True, extra="forbid")

    task: str = ""
    image: str | None = Field(default=None, description="a picture in base64")
    images: list[str] | None = Field(default=None, description="several; send one of the two")
    params: dict[str, Any] = Field(default_factory=dict, description="what the task takes; see `GET /v1/tasks`")
    priority: int = Field(default=NORMAL, ge=FIRST, le=LAST, description="0 is done first, 9 last")

    @field_validator("params")
    @classmethod
    def _sayable(cls, params: dict[str, Any]) -> dict[str, Any]:
        check_sayable(params)
        return params


class JobForm(BaseModel):
    """The same as the parts of a multipart body."""

    task: str = ""
    image: File | None = None
    images: list[File] = []
    params: str = Field(default="{}", description="a JSON object")
    priority: int = Field(default=NORMAL, ge=FIRST, le=LAST)


@dataclass(frozen=True)
class Asked:
    """A request for a job, decoded."""

    task: str
    pictures: list[bytes]
    params: Mapping[str, Any] = field(default_factory=dict)
    priority: int = NORMAL
    #: What errors call its picture.
    field: str = "image"


def read_job(task: str = "") -> Asked:
    """Read the body as JSON or multipart; it may name no other task than *task* where the URL gives one.

    Raises InvalidRequest that names the field, or UnsupportedMedia.
    """
    asked = _from_multipart() if request.mimetype == "multipart/form-data" else _from_json()
    if task and asked.task not in ("", task):
        raise InvalidRequest(f"task: the address says {task}, the body {asked.task}")
    return asked


def read_json() -> dict[str, Any]:
    """The body's JSON object. Raises UnsupportedMedia unless it says that it is JSON, or InvalidRequest."""
    if request.mimetype != "application/json":
        raise UnsupportedMedia(f"send application/json, not {request.mimetype or 'an unnamed type'}")
    return parse_json(request.get_data(cache=False), "the body")


def parse_json(text: bytes | str, name: str) -> dict[str, Any]:
    """The JSON object in *text*. Raises InvalidRequest that calls it *name*."""
    try:
        found = json_object(text)
    except ValueError as error:
        raise InvalidRequest(f"{name} {error}") from error
    if _deeper(found, MAX_DEPTH):
        raise InvalidRequest(f"{name} nests deeper than {MAX_DEPTH}")
    return found


def checked(model: type[Model], fields: Mapping[str, Any], *, strict: bool = True) -> Model:
    """*fields* as a *model*. Raises InvalidRequest that names the field."""
    try:
        return model.model_validate(fields, strict=strict)
    except ValidationError as error:
        raise InvalidRequest(findings(error)[0]) from error


def prefer_wait() -> float | None:
    """The seconds of `Prefer: wait=SECONDS` (RFC 7240), FARM_MAX_WAIT at most, or None."""
    for preference in request.headers.get("Prefer", "").split(","):
        if found := _PREFER_WAIT.fullmatch(preference):
            return min(float(found[1]), farm().settings.max_wait)
    return None


def take_parts(texts: Sequence[str], files: Sequence[str]) -> None:
    """Raise UnsupportedMedia unless the body is multipart, InvalidRequest when it has other parts than these."""
    if request.mimetype != "multipart/form-data":
        raise UnsupportedMedia(f"send multipart/form-data, not {request.mimetype or 'an unnamed type'}")
    if unknown := {*request.form} - {*texts}:
        raise InvalidRequest(f"{_first(unknown)}: is no text field; those are {', '.join(texts)}")
    if unknown := {*request.files} - {*files}:
        raise InvalidRequest(f"{_first(unknown)}: cannot be a file; files are {', '.join(files)}")


def _first(names: Iterable[str | None]) -> str:
    """What an error calls the first of *names*; a part may have none."""
    return min(name or "" for name in names) or "a part without a name"


def _from_json() -> Asked:
    body = checked(JobBody, read_json())
    if body.image is not None and body.images is not None:
        raise InvalidRequest("image, images: send one of the two")
    sent = {f"images[{index}]": text for index, text in enumerate(body.images or [])}
    if body.image is not None:
        sent["image"] = body.image
    pictures = [images.from_base64(text, name) for name, text in sent.items()]
    return Asked(body.task, pictures, body.params, body.priority)


def _from_multipart() -> Asked:
    form = request.form
    take_parts(TEXTS, FILES)
    fields: dict[str, Any] = {name: form[name] for name in ("task", "priority") if name in form}
    if "params" in form:
        fields["params"] = parse_json(form["params"], "params")
    body = checked(JobBody, fields, strict=False)  # all that a form can send is text
    pictures = [file.read() for name in ("image", "images", "file") for file in request.files.getlist(name)]
    pictures += [images.from_base64(text, name) for name in ("image", "images") for text in form.getlist(name)]
    return Asked(body.task, pictures, body.params, body.priority, "file")


def _deeper(value: Any, limit: int) -> bool:
    level = [value]
    for _ in range(limit):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return False
    return True


def _inside(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []
