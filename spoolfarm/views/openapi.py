"""`/docs` and `/openapi.json`: every face of the farm, told by the models that check the requests."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from importlib.metadata import version
from types import ModuleType
from typing import Any

from flask import Blueprint, Flask, Response, current_app
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from werkzeug.routing import Rule

from spoolfarm.tasks import Task
from spoolfarm.tasks.registry import Registry
from spoolfarm.views import answer, farm
from spoolfarm.views.body import JobBody
from spoolfarm.views.face import JSON, Body, Error, Face

blueprint = Blueprint("openapi", __name__, static_folder="../web/docs", static_url_path="/docs")

#: Where the application keeps what its views say of themselves: a Face by endpoint.
FACES_OF = "spoolfarm.faces"
#: What the page may load: only what the farm itself serves.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
#: How a key is sent.
KEYS = {
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "bearer": {"type": "http", "scheme": "bearer"},
}
#: How the models refer to each other.
_REFERENCE = "#/components/schemas/{model}"


@blueprint.get("/docs")
def page() -> Response:
    """The documentation for people: read it, and try every face."""
    response = blueprint.send_static_file("index.html")
    response.headers["Content-Security-Policy"] = POLICY
    return response


@blueprint.get("/openapi.json")
def openapi() -> Response:
    """The documentation for programs, in OpenAPI 3.1."""
    return answer(document(current_app, farm().tasks))


FACES = {
    "openapi.page": Face(answers={200: "text/html"}),
    "openapi.openapi": Face(answers={200: dict}),
}


def collect(views: Iterable[ModuleType]) -> dict[str, Face]:
    """What *views* say of themselves in their tables FACES."""
    return {endpoint: face for view in views for endpoint, face in vars(view).get("FACES", {}).items()}


def document(app: Flask, tasks: Registry) -> dict[str, Any]:
    """The whole of it."""
    faces: Mapping[str, Face] = app.extensions[FACES_OF]
    schemas = Schemas(faces, tasks)
    paths: dict[str, dict[str, Any]] = {}
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule):
        face = faces.get(rule.endpoint)
        if face is not None:
            words = inspect.getdoc(app.view_functions[rule.endpoint]) or ""
            for path, operations in _operations(rule, face, words, schemas, tasks):
                paths.setdefault(path, {}).update(operations)
    keyed = bool(farm().settings.api_key)
    return {
        "openapi": "3.1.0",
        "info": {"title": "spoolfarm", "version": version("spoolfarm"), "description": "Image work on one machine."},
        "tags": [{"name": tag} for tag in dict.fromkeys(_tag(*item) for item in faces.items())],
        "paths": paths,
        "components": {"schemas": schemas.definitions, "securitySchemes": KEYS if keyed else {}},
        "security": [{name: []} for name in KEYS] if keyed else [],
    }


class Schemas:
    """The JSON schemas of all models, under names of their own."""

    def __init__(self, faces: Mapping[str, Face], tasks: Registry) -> None:
        models: set[type[BaseModel]] = {Error, *(tasks.get(name).Params for name in tasks.names())}
        for face in faces.values():
            models |= {body.model for body in face.body.values()}
            models |= {answer for answer in face.answers.values() if _is_model(answer)}
        ordered = sorted(models, key=lambda model: (model.__name__, model.__module__))
        references, made = models_json_schema([(model, "validation") for model in ordered], ref_template=_REFERENCE)
        self._references = {model: schema for (model, _), schema in references.items()}
        self.definitions: dict[str, Any] = made.get("$defs", {})

    def of(self, model: type[BaseModel]) -> dict[str, Any]:
        """A reference to the schema of *model*."""
        return dict(self._references[model])

    def name(self, model: type[BaseModel]) -> str:
        """What the schema of *model* is called."""
        return str(self._references[model]["$ref"]).rpartition("/")[2]


def _operations(
    rule: Rule, face: Face, words: str, schemas: Schemas, tasks: Registry
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The operations of one rule by their path; a rule with a `<task>` in it has a path for every task."""
    path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
    methods = sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
    for task in tasks.names() if "{task}" in path else [""]:
        operations = {}
        for method in methods:
            made = _operation(face, words, schemas)
            name = face.operation or rule.endpoint.replace(".", "_") + (f"_{task}" if task else "")
            made["operationId"] = name if len(methods) == 1 else f"{name}_{method.lower()}"
            made["tags"] = [_tag(rule.endpoint, face)]
            if task:
                _specialise(made, tasks.get(task), schemas)
            operations[method.lower()] = made
        yield path.replace("{task}", task), operations


def _operation(face: Face, words: str, schemas: Schemas) -> dict[str, Any]:
    summary, _, rest = words.partition("\n")
    made: dict[str, Any] = {"summary": summary.replace("`", ""), "description": rest.strip() or summary}
    if parameters := [*(each.described() for each in face.parameters), *_query(face.query)]:
        made["parameters"] = parameters
    if face.body:
        content = {kind: _content(kind, body, schemas) for kind, body in face.body.items()}
        made["requestBody"] = {"required": True, "content": content}
    answers = {str(status): _answer(status, said, schemas) for status, said in face.answers.items()}
    refusals = {str(status): _answer(status, Error, schemas) for status in sorted(face.errors)}
    made["responses"] = {**answers, **refusals, "default": {**_answer(400, Error, schemas), "description": "Refused"}}
    return made


def _specialise(operation: dict[str, Any], task: Task, schemas: Schemas) -> None:
    """Say what *task* takes, in the place of what any task may."""
    operation["summary"] = operation["description"] = task.describe()["description"]
    content = operation["requestBody"]["content"][JSON]
    whole = schemas.definitions[schemas.name(JobBody)]
    properties = {**whole["properties"], "params": schemas.of(task.Params)}
    del properties["task"]
    content["schema"] = {**whole, "properties": properties}
    if not task.max_images:
        content["example"] = {"params": {}}


def _content(kind: str, body: Body, schemas: Schemas) -> dict[str, Any]:
    if kind == JSON:
        return {"schema": schemas.of(body.model), "example": dict(body.example)}
    whole = schemas.definitions[schemas.name(body.model)]
    fields = {name: _form_field(each, body.example.get(name)) for name, each in whole["properties"].items()}
    lists = [name for name, each in fields.items() if each.get("type") == "array"]
    encoding = {name: {"style": "form", "explode": True} for name in lists}  # each entry is a part of its own
    return {"schema": {**whole, "properties": fields}, "example": dict(body.example), "encoding": encoding}


def _form_field(schema: Mapping[str, Any], example: Any) -> dict[str, Any]:
    """A field of a form: it may be left out, but it has no null, and what it is by default is not sent."""
    kinds = [kind for kind in schema.get("anyOf", [schema]) if kind.get("type") != "null"]
    field = {name: value for name, value in {**schema, **kinds[0]}.items() if name not in ("anyOf", "default")}
    return field if example is None else {**field, "example": example}


def _answer(status: int, said: Any, schemas: Schemas) -> dict[str, Any]:
    """One answer: a model, a Python type as JSON, or another content type."""
    described: dict[str, Any] = {"description": HTTPStatus(status).phrase}
    if isinstance(said, (str, tuple)):
        kinds = (said,) if isinstance(said, str) else said
        described["content"] = {kind: {"schema": {"type": "string"} if "text/" in kind else {}} for kind in kinds}
    elif _is_model(said):
        described["content"] = {JSON: {"schema": schemas.of(said)}}
    else:
        described["content"] = {JSON: {"schema": {"type": "array"} if said is list else {}}}
    return described


def _query(model: type[BaseModel] | None) -> list[dict[str, Any]]:
    if model is None:
        return []
    schema = model.model_json_schema(ref_template=_REFERENCE)
    found = []
    for name, each in schema["properties"].items():
        description, examples = each.pop("description", ""), each.pop("examples", [])
        one = {"name": name, "in": "query", "required": False, "description": description, "schema": each}
        found.append(one | ({"example": examples[0]} if examples else {}))
    return found


def _tag(endpoint: str, face: Face) -> str:
    """The heading that a face stands under."""
    return face.tag or endpoint.partition(".")[0]


def _is_model(said: Any) -> bool:
    return isinstance(said, type) and issubclass(said, BaseModel)
