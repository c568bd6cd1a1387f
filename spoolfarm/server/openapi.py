"""`/docs` and `/openapi.json`: every endpoint of the farm, described by the models that check the requests."""

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

from spoolfarm.server.current import farm, json_response
from spoolfarm.server.endpoint import JSON, Body, Endpoint, Error
from spoolfarm.server.page import page_of
from spoolfarm.server.request_body import JobBody
from spoolfarm.tasks import Task
from spoolfarm.tasks.registry import Registry

blueprint = Blueprint("openapi", __name__, static_folder="web/docs", static_url_path="/docs")

#: Where the application keeps the descriptions of its views: an Endpoint by the name of its view.
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
    return page_of(blueprint)


@blueprint.get("/openapi.json")
def openapi() -> Response:
    """The documentation for programs, in OpenAPI 3.1."""
    return json_response(document(current_app, farm().tasks))


ENDPOINTS = {
    "openapi.page": Endpoint(responses={200: "text/html"}),
    "openapi.openapi": Endpoint(responses={200: dict}),
}


def collect(views: Iterable[ModuleType]) -> dict[str, Endpoint]:
    """The descriptions of *views* from their tables ENDPOINTS."""
    return {name: endpoint for view in views for name, endpoint in vars(view).get("ENDPOINTS", {}).items()}


def document(app: Flask, tasks: Registry) -> dict[str, Any]:
    """The whole OpenAPI document."""
    told: Mapping[str, Endpoint] = app.extensions[ENDPOINTS_OF]
    endpoints = {name: endpoint for name, endpoint in told.items() if endpoint.task not in tasks.absent()}
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
        "tags": [{"name": tag} for tag in dict.fromkeys(_tag(*item) for item in endpoints.items())],
        "paths": paths,
        "components": {"schemas": schemas.definitions, "securitySchemes": KEYS if keyed else {}},
        "security": [{name: []} for name in KEYS] if keyed else [],
    }


class Schemas:
    """The JSON schemas of all models, under unique names."""

    def __init__(self, endpoints: Mapping[str, Endpoint], tasks: Registry) -> None:
        models: set[type[BaseModel]] = {Error, *(tasks.get(name).Params for name in tasks.names())}
        for endpoint in endpoints.values():
            models |= {body.model for body in endpoint.body.values()}
            models |= {response for response in endpoint.responses.values() if _is_model(response)}
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
            made["operationId"] = name if len(methods) == 1 else f"{name}_{method.lower()}"
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
    """Say what *task* takes, in place of what any task may take."""
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
    """A field of a form: it may be left out, but it cannot be null, and its default is not sent."""
    kinds = [kind for kind in schema.get("anyOf", [schema]) if kind.get("type") != "null"]
    field = {name: value for name, value in {**schema, **kinds[0]}.items() if name not in ("anyOf", "default")}
    return field if example is None else {**field, "example": example}


def _response(status: int, said: Any, schemas: Schemas) -> dict[str, Any]:
    """One response: a model, a Python type as JSON, or another content type."""
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
        description = each.pop("description", "")
        examples = each.pop("examples", [])
        one = {"name": name, "in": "query", "required": False, "description": description, "schema": each}
        found.append(one | ({"example": examples[0]} if examples else {}))
    return found


def _tag(name: str, endpoint: Endpoint) -> str:
    """The heading that an endpoint is listed under."""
    return endpoint.tag or name.partition(".")[0]


def _is_model(said: Any) -> bool:
    return isinstance(said, type) and issubclass(said, BaseModel)
