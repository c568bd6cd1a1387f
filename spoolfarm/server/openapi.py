"""`/docs` and `/openapi.json`: every endpoint of the farm, described by the models that check the requests."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from importlib.metadata import version
from types import ModuleType
from typing import Any

from flask import Blueprint, Flask, Response, current_app
from pydantic import BaseModel
from werkzeug.routing import Rule

from spoolfarm.server.current import address, farm, json_response
from spoolfarm.server.endpoint import BINARY, JSON, OCTETS, PAGE, Body, Endpoint, Error
from spoolfarm.server.page import render
from spoolfarm.server.request_body import JobBody, JobForm
from spoolfarm.server.schemas import REFERENCE, Schemas, example_params, form_field, untitled
from spoolfarm.tasks import Task
from spoolfarm.tasks.registry import Registry

blueprint = Blueprint("openapi", __name__)

#: Where the application keeps the descriptions of its views: an Endpoint by the name of its view.
ENDPOINTS_OF = "spoolfarm.endpoints"
#: The headings in their order, each with what is listed under it.
HEADINGS = {
    "jobs": "submit work, wait for it, follow it, look at it, do it again",
    "run": "send a picture and wait for the answer: an endpoint for each task",
    "tasks": "what the farm can do",
    "edit": "edit pictures",
    "tyocr": "the text of a picture, as base64 in a form",
    "masks": "a mask for each object of a picture",
    "inference": "classify a picture by a model",
    "default": "operations on files of the data folder",
    "uploads": "a picture, kept with what is found in it",
    "platform": "models of federated learning",
    "runs": "trainings over many clients: all there are, and several side by side",
    "batches": "whole folders",
    "inbox": "the hot folders",
    "farm": "what the farm does; pauses and workers",
    "operation": "whether it is well, for programs that watch it",
    "pages": "the pages for people",
}
#: How a key is sent.
KEYS = {
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "bearer": {"type": "http", "scheme": "bearer"},
}
#: The schemas of responses that are no model.
OTHERS: Mapping[type, Mapping[str, Any]] = {object: {}, dict: {"type": "object"}, list: {"type": "array", "items": {}}}
#: The bodies that are told anew for each task.
JOBS = (JobBody, JobForm)
#: What is said of a body that is the picture itself.
RAW = (
    "the picture itself; its own content type, image/jpeg and the like or application/pdf, is as good. The task's "
    "parameters stand in the query, each under its name"
)


@blueprint.get("/docs")
def page() -> Response:
    """The documentation for people: read it, and try every endpoint."""
    return render("docs")


@blueprint.get("/openapi.json")
def openapi() -> Response:
    """The documentation for programs, in OpenAPI 3.1."""
    return json_response(document(current_app, farm().tasks))


ENDPOINTS = {
    "openapi.page": PAGE,
    "openapi.openapi": Endpoint(responses={200: dict}, tag="operation"),
}


def collect(views: Iterable[ModuleType]) -> dict[str, Endpoint]:
    """The descriptions of *views* from their tables ENDPOINTS."""
    return {name: endpoint for view in views for name, endpoint in vars(view).get("ENDPOINTS", {}).items()}


def document(app: Flask, tasks: Registry) -> dict[str, Any]:
    """The whole OpenAPI document."""
    told: Mapping[str, Endpoint] = app.extensions[ENDPOINTS_OF]
    endpoints = {name: endpoint for name, endpoint in told.items() if endpoint.task not in tasks.absent()}
    schemas = Schemas(_models(endpoints, tasks))
    paths: dict[str, dict[str, Any]] = {}
    for name, endpoint in endpoints.items():  # in the order of the views' tables, which begin with what is used most
        words = inspect.getdoc(app.view_functions[name]) or ""
        for rule in app.url_map.iter_rules(name):
            for path, operations in _operations(rule, endpoint, words, schemas, tasks):
                paths.setdefault(path, {}).update(operations)
    keyed = bool(farm().settings.api_key)
    used = {_tag(*item) for item in endpoints.items()}
    return {
        "openapi": "3.1.0",
        "info": {"title": "spoolfarm", "version": version("spoolfarm"), "description": "Image work on one machine."},
        "servers": [{"url": address("") or "/"}],
        "tags": [{"name": tag, "description": told} for tag, told in HEADINGS.items() if tag in used],
        "paths": paths,
        "components": {"schemas": schemas.definitions, "securitySchemes": KEYS if keyed else {}},
        "security": [{name: []} for name in KEYS] if keyed else [],
    }


def _models(endpoints: Mapping[str, Endpoint], tasks: Registry) -> Iterator[type[BaseModel]]:
    """Every model that the document tells of."""
    yield Error
    for task in map(tasks.get, tasks.usable()):
        yield task.Params
        yield from task.results
    for endpoint in endpoints.values():
        yield from (body.model for body in endpoint.body.values())
        for said in endpoint.responses.values():
            yield from (each for each in (said if isinstance(said, tuple) else (said,)) if _is_model(each))


def _operations(
    rule: Rule, endpoint: Endpoint, words: str, schemas: Schemas, tasks: Registry
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The operations of one rule by their path; a rule with a `<task>` in it has a path for every task."""
    path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
    methods = sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
    for task in tasks.usable() if "{task}" in path else [""]:
        operations = {}
        for method in methods:
            made = _operation(endpoint, words, schemas, task or endpoint.task, tasks)
            name = endpoint.operation or rule.endpoint.replace(".", "_") + (f"_{task}" if task else "")
            made["operationId"] = name if method == methods[0] else f"{name}_{method.lower()}"
            made["tags"] = [_tag(rule.endpoint, endpoint)]
            if task:
                _tell(made, tasks.get(task), schemas)
            operations[method.lower()] = made
        yield path.replace("{task}", task), operations


def _operation(endpoint: Endpoint, words: str, schemas: Schemas, name: str, tasks: Registry) -> dict[str, Any]:
    """What *endpoint* does; *name* is that of the task that it is for, if it is for one."""
    task = tasks.get(name) if name in tasks.usable() else None
    summary, _, rest = words.partition("\n")
    made: dict[str, Any] = {"summary": summary.replace("`", ""), "description": rest.strip() or summary}
    if parameters := [*(each.described() for each in endpoint.parameters), *_query(endpoint.query)]:
        made["parameters"] = parameters
    if endpoint.body:
        content = {kind: _content(kind, body, schemas, name, task) for kind, body in endpoint.body.items()}
        if endpoint.raw and (task is None or task.max_images):
            content[OCTETS] = {"schema": {**BINARY, "description": RAW}}
        made["requestBody"] = {"required": True, "content": content}
    responses = {str(status): _response(status, said, schemas) for status, said in endpoint.responses.items()}
    refusals = {str(status): _response(status, Error, schemas) for status in sorted(endpoint.errors)}
    made["responses"] = {
        **responses,
        **refusals,
        "default": {**_response(400, Error, schemas), "description": "Refused"},
    }
    return made


def _tell(operation: dict[str, Any], task: Task, schemas: Schemas) -> None:
    """Say what *task* does and answers, in the place of what any task may."""
    operation["summary"] = operation["description"] = task.describe()["description"]
    operation["responses"]["200"]["content"][JSON]["schema"] = schemas.any_of(task.results)


def _content(kind: str, body: Body, schemas: Schemas, name: str, task: Task | None) -> dict[str, Any]:
    """A body of one content type, and an example of it."""
    reference = schemas.of_task(body.model, name, task) if task and body.model in JOBS else schemas.of(body.model)
    example = dict(body.example)
    if kind == JSON:
        if task is not None:
            example = {key: value for key, value in example.items() if key != "image" or task.max_images}
            if params := example_params(task):
                example["params"] = params
        return {"schema": reference, "example": example or {"params": {}}}
    defined = reference["$ref"].rpartition("/")[2]
    whole = schemas.definitions[defined]
    fields = {key: form_field(each, example.get(key)) for key, each in whole["properties"].items()}
    lists = [key for key, each in fields.items() if each.get("type") == "array"]
    if task is not None and (params := example_params(task)):
        example["params"] = fields["params"]["example"] = json.dumps(params)
    encoding = {key: {"style": "form", "explode": True} for key in lists}  # each entry is a part of its own
    return {
        "schema": schemas.define(defined, {**whole, "properties": fields}),
        "example": example,
        **({"encoding": encoding} if encoding else {}),
    }


def _response(status: int, said: Any, schemas: Schemas) -> dict[str, Any]:
    """One response: a model, a Python type as JSON, or another content type."""
    content: dict[str, Any] = {}
    for each in said if isinstance(said, tuple) else (said,):
        if isinstance(each, str):
            content[each] = {"schema": {"type": "string"} if each.startswith("text/") else dict(BINARY)}
        else:
            content[JSON] = {"schema": schemas.of(each) if _is_model(each) else dict(OTHERS[each])}
    return {"description": HTTPStatus(status).phrase, "content": content}


def _query(model: type[BaseModel] | None) -> list[dict[str, Any]]:
    if model is None:
        return []
    schema = untitled(model.model_json_schema(ref_template=REFERENCE))
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
