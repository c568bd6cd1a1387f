"""`/docs` and `/openapi.json`: every endpoint of the farm, told by the models that check the requests."""

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

from spoolfarm.server.current import address, farm, json_response
from spoolfarm.server.endpoint import JSON, Body, Endpoint, Error
from spoolfarm.server.request_body import JobBody
from spoolfarm.server.static_page import static_page
from spoolfarm.tasks import Task
from spoolfarm.tasks.registry import Registry

blueprint = Blueprint("openapi", __name__, static_folder="web/docs", static_url_path="/docs")

#: Where the application keeps what its views say of themselves: a Endpoint by endpoint.
ENDPOINTS_OF = "spoolfarm.endpoints"
#: How a key is sent.
KEYS = {
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "bearer": {"type": "http", "scheme": "bearer"},
}
#: How the models refer to each other.
_REFERENCE = "#/components/schemas/{model}"


@blueprint.get("/docs")
def page() -> Response:
    """The documentation for people: read it, and try every endpoint."""
    return static_page(blueprint, inline_styles=True)


@blueprint.get("/openapi.json")
def openapi() -> Response:
    """The documentation for programs, in OpenAPI 3.1."""
    return json_response(document(current_app, farm().tasks))


ENDPOINTS = {
    "openapi.page": Endpoint(responses={200: "text/html"}),
    "openapi.openapi": Endpoint(responses={200: dict}),
}


def collect(views: Iterable[ModuleType]) -> dict[str, Endpoint]:
    """What *views* say of themselves in their tables ENDPOINTS."""
    return {name: endpoint for view in views for name, endpoint in vars(view).get("ENDPOINTS", {}).items()}


def document(app: Flask, tasks: Registry) -> dict[str, Any]:
    """The whole of it."""
    endpoints: Mapping[str, Endpoint] = app.extensions[ENDPOINTS_OF]
    schemas = Schemas(endpoints, tasks)
    paths: dict[str, dict[str, Any]] = {}
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule):
        endpoint = endpoints.get(rule.endpoint)
        if endpoint is not None:
            words = inspect.getdoc(app.view_functions[rule.endpoint]) or ""
            for path, operations in _operations(rule, endpoint, words, schemas, tasks):
                paths.setdefault(path, {}).update(operations)
    keyed = bool(farm().settings.api_key)
    return {
        "openapi": "3.1.0",
        "info": {"title": "spoolfarm", "version": version("spoolfarm"), "description": "Image work on one machine."},
        "servers": [{"url": address("") or "/"}],
        "tags": [{"name": tag} for tag in dict.fromkeys(_tag(*item) for item in endpoints.items())],
        "paths": paths,
        "components": {"schemas": schemas.definitions, "securitySchemes": KEYS if keyed else {}},
        "security": [{name: []} for name in KEYS] if keyed else [],
    }


class Schemas:
    """The JSON schemas of all models, under names of their own."""

    def __init__(self, endpoints: Mapping[str, Endpoint], tasks: Registry) -> None:
        models: set[type[BaseModel]] = {Error, *(tasks.get(name).Params for name in tasks.names())}
        for endpoint in endpoints.values():
            models |= {body.model for body in endpoint.body.values()}
            for said in endpoint.responses.values():
                models |= {each for each in (said if isinstance(said, tuple) else (said,)) if _is_model(each)}
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
    rule: Rule, endpoint: Endpoint, words: str, schemas: Schemas, tasks: Registry
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The operations of one rule by their path; a rule with a `<task>` in it has a path for every task."""
    path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
    methods = sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
    for task in tasks.names() if "{task}" in path else [""]:
        operations = {}
        for method in methods:
            made = _operation(endpoint, words, schemas)
            name = endpoint.operation or rule.endpoint.replace(".", "_") + (f"_{task}" if task else "")
            made["operationId"] = name if method == methods[0] else f"{name}_{method.lower()}"
            made["tags"] = [_tag(rule.endpoint, endpoint)]
            if task:
                _specialise(made, tasks.get(task), schemas)
            operations[method.lower()] = made
        yield path.replace("{task}", task), operations


def _operation(endpoint: Endpoint, words: str, schemas: Schemas) -> dict[str, Any]:
    summary, _, rest = words.partition("\n")
    made: dict[str, Any] = {"summary": summary.replace("`", ""), "description": rest.strip() or summary}
    if parameters := [*(each.described() for each in endpoint.parameters), *_query(endpoint.query)]:
        made["parameters"] = parameters
    if endpoint.body:
        content = {kind: _content(kind, body, schemas) for kind, body in endpoint.body.items()}
        made["requestBody"] = {"required": True, "content": content}
    responses = {str(status): _response(status, said, schemas) for status, said in endpoint.responses.items()}
    refusals = {str(status): _response(status, Error, schemas) for status in sorted(endpoint.errors)}
    made["responses"] = {
        **responses,
        **refusals,
        "default": {**_response(400, Error, schemas), "description": "Refused"},
    }
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


def _response(status: int, said: Any, schemas: Schemas) -> dict[str, Any]:
    """One response: a model, a Python type as JSON, or another content type."""
    content: dict[str, Any] = {}
    for each in said if isinstance(said, tuple) else (said,):
        if isinstance(each, str):
            content[each] = {"schema": {"type": "string"} if "text/" in each else {}}
        elif _is_model(each):
            content[JSON] = {"schema": schemas.of(each)}
        else:
            content[JSON] = {"schema": {"type": "array"} if each is list else {}}
    return {"description": HTTPStatus(status).phrase, "content": content}


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


def _tag(name: str, endpoint: Endpoint) -> str:
    """The heading that an endpoint stands under."""
    return endpoint.tag or name.partition(".")[0]


def _is_model(said: Any) -> bool:
    return isinstance(said, type) and issubclass(said, BaseModel)
