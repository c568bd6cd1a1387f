"""A raw body: the picture itself under its own content type, and what is to be done with it in the query.

curl -T page.jpg -H 'Content-Type: image/jpeg' 'http://127.0.0.1:8090/v1/run/ocr?min_score=0.6'
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flask import request
from pydantic_core import from_json

from spoolfarm import images
from spoolfarm.errors import InvalidRequest
from spoolfarm.server.current import farm
from spoolfarm.tasks import schema

#: The content types of raw bodies, beside those of pictures.
OTHERS = ("application/octet-stream", "application/pdf")
#: What of the query is no parameter of the task.
OURS = ("task", "priority", "params")


def is_raw(kind: str) -> bool:
    """Whether the body is a picture itself: its content type *kind* says so, or says nothing and it is one."""
    if kind:
        return kind.startswith("image/") or kind in OTHERS
    data = request.get_data()
    return images.sniff(data) is not None or images.is_pdf(data)


def read_raw() -> bytes:
    """The picture. Raises InvalidRequest when there is none."""
    data = request.get_data(cache=False)
    if not data:
        raise InvalidRequest("the body: is empty; send the picture itself")
    return data


def refuse_query(task: str) -> None:
    """Raise InvalidRequest for what the query says of a job whose body has a place for it: it would not be heard."""
    if not request.query_string:
        return
    told = _schema(task)
    meant = {*OURS, *(request.args if told.get("additionalProperties") else told.get("properties", ()))}
    if lost := [name for name in request.args if name in meant]:
        raise InvalidRequest(
            f"{lost[0]}: stands in the query, which counts beside a raw picture only; put it into the body"
        )


def query_params(task: str) -> dict[str, Any]:
    """The parameters of *task* that stand under their own names in the query, typed as the task has them."""
    told = _schema(task)
    known, definitions = told.get("properties", {}), told.get("$defs", {})
    return {
        name: _value(name, texts, known.get(name, {}), definitions)
        for name, texts in request.args.lists()
        if name not in OURS
    }


def _schema(task: str) -> Mapping[str, Any]:
    """That of the parameters of *task*; nothing where none is named."""
    return schema(farm().tasks.get(task).Params) if task else {}


def _value(name: str, texts: Sequence[str], schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Any:
    """What *texts*, all that the query says of *name*, mean where *schema* is wanted."""
    kinds = _kinds(schema, definitions)
    if "array" not in kinds:
        if len(texts) > 1 and kinds:
            raise InvalidRequest(f"{name}: send one")
        found = [_scalar(text, kinds) for text in texts]
        return found[0] if len(found) == 1 else found
    if len(texts) == 1 and isinstance(whole := _scalar(texts[0], {"array"}), list):
        return whole
    return [_scalar(text, _kinds(schema.get("items", {}), definitions)) for text in texts]


def _kinds(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> set[str]:
    """The JSON types that *schema* lets through; empty when it says nothing of them."""
    if "$ref" in schema:
        return _kinds(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    if "anyOf" in schema:
        return set().union(*(_kinds(each, definitions) for each in schema["anyOf"]))
    return {schema["type"]} if "type" in schema else set()


def _scalar(text: str, kinds: set[str]) -> Any:
    """*text* itself where a text is wanted, else what it says as JSON, if it is any."""
    if kinds and kinds <= {"string", "null"}:
        return text
    try:
        return from_json(text, allow_inf_nan=False)
    except ValueError:
        return text
