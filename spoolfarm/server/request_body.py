"""The body of a request: fields and pictures, from JSON, a form or multipart, all in one shape."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.request import parse_http_list

from flask import request
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from spoolfarm import images
from spoolfarm.errors import InvalidRequest, UnsupportedMedia
from spoolfarm.server import raw_body
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
#: What stands in a text for bytes that are none.
UNREADABLE = "\ufffd"
_WAIT = re.compile(r"wait\s*=\s*\"?(\d+(?:\.\d+)?)\"?", re.IGNORECASE)


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

    # A list of files is not among them, though `images` is taken: forms made of it send a text for a file not chosen.
    task: str = ""
    image: File | None = Field(
        default=None, description="a picture; the part may be repeated for tasks that take several"
    )
    params: str = Field(default="{}", description="a JSON object")
    priority: int = Field(default=NORMAL, ge=FIRST, le=LAST)


@dataclass(frozen=True)
class Asked:
    """A request for a job, decoded."""

    task: str
    pictures: list[bytes]
    params: Mapping[str, Any] = field(default_factory=dict)
    priority: int = NORMAL
    #: What errors call its pictures.
    field: str = "image"
    #: The name of the first of them that was sent as a file.
    name: str = ""


def read_job(task: str = "", part: str = "image") -> Asked:
    """Read the body as JSON, as multipart or as a picture itself; it may name no other task than the address, *task*.

    *part* is what errors call the picture that a multipart body lacks. Raises InvalidRequest that names the field, or
    UnsupportedMedia.
    """
    kind, raw = request.mimetype, False
    if kind == "multipart/form-data":
        asked = _from_multipart(part)
    elif raw := raw_body.is_raw(kind):
        asked = _from_raw(task)
    else:
        asked = _from_json(kind)
    if not raw:
        raw_body.refuse_query(task or asked.task)
    if task and asked.task not in ("", task):
        raise InvalidRequest(f"task: the address says {task}, the body {asked.task}")
    return asked


def read_json() -> dict[str, Any]:
    """The body's JSON object. Raises UnsupportedMedia unless it says that it is JSON, or InvalidRequest."""
    if (kind := request.mimetype) != "application/json":
        raise UnsupportedMedia(f"send application/json, not {kind or 'an unnamed type'}")
    return _json_body()


def _json_body() -> dict[str, Any]:
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
    """The seconds of `Prefer: wait=SECONDS` (RFC 7240), FARM_MAX_WAIT at most, or None.

    Other preferences may stand beside it, in one header or several, and parameters after it.
    """
    for preference in parse_http_list(request.environ.get("HTTP_PREFER", "")):
        if found := _WAIT.fullmatch(preference.partition(";")[0].strip()):
            return min(float(found[1]), farm().settings.max_wait)
    return None


def take_parts(texts: Sequence[str], files: Sequence[str]) -> None:
    """Raise UnsupportedMedia unless the body is multipart, InvalidRequest when it has other parts than these."""
    if request.mimetype != "multipart/form-data":
        raise UnsupportedMedia(f"send multipart/form-data, not {request.mimetype or 'an unnamed type'}")
    check_parts()
    if lost := [name for name, text in request.form.items(multi=True) if name in FILES and UNREADABLE in text]:
        raise InvalidRequest(f"{lost[0]}: is a file in a part without a filename; give it one, as curl -F does")
    if unknown := {*request.form} - {*texts}:
        raise InvalidRequest(f"{_first(unknown)}: is no text field; those are {', '.join(texts)}")
    if unknown := {*request.files} - {*files}:
        raise InvalidRequest(f"{_first(unknown)}: cannot be a file; files are {', '.join(files)}")


def check_parts() -> None:
    """Raise InvalidRequest when a multipart body cannot be divided: without that it would pass for an empty one."""
    if request.mimetype != "multipart/form-data":
        return
    if not request.mimetype_params.get("boundary"):
        raise InvalidRequest(
            "Content-Type: names no boundary; leave the header to what makes your multipart body, which knows it"
        )
    if request.content_length and not request.form and not request.files:
        raise InvalidRequest("the body has no whole part that begins with the boundary that Content-Type names")


def _first(names: Iterable[str | None]) -> str:
    """What an error calls the first of *names*; a part may have none."""
    return min(name or "" for name in names) or "a part without a name"


def _from_json(kind: str) -> Asked:
    if kind != "application/json":
        raise UnsupportedMedia(
            "send application/json, multipart/form-data, or the picture itself under its own content type, not "
            f"{kind or 'an unnamed type'}"
        )
    body = checked(JobBody, _json_body())
    if body.image is not None and body.images is not None:
        raise InvalidRequest("image, images: send one of the two")
    sent = {f"images[{index}]": text for index, text in enumerate(body.images or [])}
    if body.image is not None:
        sent["image"] = body.image
    pictures = [images.from_base64(text, name) for name, text in sent.items()]
    return Asked(body.task, pictures, body.params, body.priority, "image" if body.images is None else "images")


def _from_multipart(part: str) -> Asked:
    form = request.form
    take_parts(TEXTS, FILES)
    fields: dict[str, Any] = {name: form[name] for name in ("task", "priority") if name in form}
    if "params" in form:
        fields["params"] = parse_json(form["params"], "params")
    body = checked(JobBody, fields, strict=False)  # all that a form can send is text
    sent = [(name, file.read()) for name in FILES for file in request.files.getlist(name)]
    sent += [(name, images.from_base64(text, name)) for name in ("image", "images") for text in form.getlist(name)]
    field = sent[0][0] if sent else part
    names = (file.filename for name in FILES for file in request.files.getlist(name) if file.filename)
    return Asked(body.task, [data for _, data in sent], body.params, body.priority, field, _last(next(names, "")))


def _last(path: str) -> str:
    """The file's own name in *path*, which some browsers send with the folders of the machine that they run on."""
    return path.replace("\\", "/").rpartition("/")[2]


def _from_raw(task: str) -> Asked:
    query = request.args
    given = {name: query[name] for name in ("task", "priority") if name in query}
    params = parse_json(query.get("params", "{}"), "params") | raw_body.query_params(task or given.get("task", ""))
    if _deeper(params, MAX_DEPTH):
        raise InvalidRequest(f"the query nests deeper than {MAX_DEPTH}")
    body = checked(JobBody, {**given, "params": params}, strict=False)  # all that a query can send is text
    return Asked(body.task, [raw_body.read_raw()], body.params, body.priority, "the body")


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
