"""The JSON schemas of `/openapi.json`: one for each model, under names and titles that are nobody else's."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from spoolfarm.server.endpoint import BINARY
from spoolfarm.tasks import Task

#: How the models refer to each other.
REFERENCE = "#/components/schemas/{model}"
#: What in a schema is data, and no schema.
DATA = ("default", "example", "examples", "enum", "const")


class Schemas:
    """The schemas of *models*, and those that are defined beside them. Programs make classes of their titles."""

    def __init__(self, models: Iterable[type[BaseModel]]) -> None:
        ordered = sorted(set(models), key=lambda model: (model.__name__, model.__module__))
        references, made = models_json_schema([(model, "validation") for model in ordered], ref_template=REFERENCE)
        found: dict[str, Any] = made.get("$defs", {})
        names = _names(found)
        text = json.dumps(found)
        for old, new in names.items():
            text = text.replace(f'"{REFERENCE.format(model=old)}"', f'"{REFERENCE.format(model=new)}"')
        self.definitions: dict[str, Any] = {}
        for old, schema in json.loads(text).items():
            self.define(names[old], schema)
        self._whole = dict(self.definitions)
        self._names = {model: names[schema["$ref"].rpartition("/")[2]] for (model, _), schema in references.items()}

    def of(self, model: type[BaseModel]) -> dict[str, Any]:
        """A reference to the schema of *model*."""
        return {"$ref": REFERENCE.format(model=self._names[model])}

    def whole(self, model: type[BaseModel]) -> dict[str, Any]:
        """The schema of *model* itself, as the model has it."""
        return dict(self._whole[self._names[model]])

    def any_of(self, models: Iterable[type[BaseModel]]) -> dict[str, Any]:
        """A schema for what is one of *models*; with none of them, for anything."""
        references = [self.of(model) for model in models]
        return {"anyOf": references} if len(references) > 1 else references[0] if references else {}

    def define(self, name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
        """Add *schema* under *name*, which is its title as well; a reference to it."""
        self.definitions[name] = {"title": name, **untitled(schema)}
        return {"$ref": REFERENCE.format(model=name)}

    def of_task(self, model: type[BaseModel], name: str, task: Task) -> dict[str, Any]:
        """The schema of a job body, *model*, less what *task*, called *name*, does not take."""
        whole = self.whole(model)
        fields = {each: schema for each, schema in whole["properties"].items() if each != "task"}
        params = self.whole(task.Params)
        required = ["params"] if params.get("required") else []
        if fields["params"].get("type") == "object":
            fields["params"] = self.of(task.Params)
        if task.max_images <= 1:
            fields.pop("images", None)
        if not task.max_images:
            del fields["image"]
        elif task.max_images == 1:
            fields["image"] = without_null(fields["image"])
            required += ["image"] * task.min_images
        title = self._names[model].removeprefix("Job")
        return self.define(f"{camel(name)}Job{title}", {**whole, "properties": fields, "required": sorted(required)})


def example_params(task: Task) -> dict[str, Any]:
    """Parameters that *task* takes: an example of each that may not be left out."""
    schema = task.Params.model_json_schema()
    return {name: _sample(schema["properties"][name], schema.get("$defs", {})) for name in schema.get("required", ())}


def _sample(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Any:
    """A value that *schema* names, or the plainest of its type."""
    if "$ref" in schema:
        return _sample(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    for name in ("examples", "enum", "anyOf"):
        if name in schema:
            first = schema[name][0]
            return _sample(first, definitions) if name == "anyOf" else first
    plainest = {"integer": 1, "number": 1, "string": "text", "boolean": False, "array": [], "object": {}}
    return schema.get("const", schema.get("minimum", plainest.get(schema.get("type", ""))))


def form_field(schema: Mapping[str, Any], example: Any) -> dict[str, Any]:
    """A field of a form: it may be left out, but it has no null, and its example is what it is when it is left out."""
    field = without_null(schema)
    default = field.pop("default", None)
    if example is None and default not in (None, [], ""):
        example = default
    return field if example is None or field.get("format") == BINARY["format"] else {**field, "example": example}


def without_null(schema: Mapping[str, Any]) -> dict[str, Any]:
    """*schema*, which may not be null any more."""
    kinds = [kind for kind in schema.get("anyOf", ()) if kind.get("type") != "null"]
    rest = {name: value for name, value in schema.items() if name != "anyOf"}
    if not kinds:
        return rest
    return {**({name: value for name, value in rest.items() if name != "default" or value is not None}), **kinds[0]}


def camel(name: str) -> str:
    """*name* as a class would be called."""
    return "".join(part[:1].upper() + part[1:] for part in re.split(r"[^A-Za-z0-9]+", name))


def _names(found: Iterable[str]) -> dict[str, str]:
    """A name for each of *found*: two classes of one name come with their modules before them, which are shortened."""
    names: dict[str, str] = {}
    for key in found:
        parts = key.split("__")
        short = 1
        while (name := "".join(map(camel, parts[-short:]))) in names.values() or (short == 1 and len(parts) > 1):
            short += 1
        names[key] = name
    return names


def untitled(schema: Any) -> Any:
    """*schema* without titles: pydantic gives one to every field, and many are the same."""
    if isinstance(schema, list):
        return [untitled(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: value if name in DATA else untitled(value)
        for name, value in schema.items()
        if name != "title" or not isinstance(value, str)
    }
