"""The parameters of a simulation, as a form needs them and as they are checked: told by the project, or its script."""

from __future__ import annotations

import operator
import os
import tomllib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from spoolfarm.errors import InvalidParams
from spoolfarm.tasks.flower import script_options, start_command
from spoolfarm.tasks.flower.project import Project, read_json

#: The file of a project that tells its parameters, as a JSON schema of an object.
FILE = "parameters.json"
#: What values of TOML are in a JSON schema.
TYPES: Mapping[type, str] = {bool: "boolean", int: "integer", float: "number", str: "string"}
#: What text says of the numbers of a JSON schema, and what they are called.
NUMBERS: Mapping[str, tuple[Callable[[str], float], str]] = {
    "integer": (int, "a whole number"),
    "number": (float, "a number"),
}
#: The limits that a JSON schema gives a number: how it is told, and what keeps it.
LIMITS: Mapping[str, tuple[str, Callable[[float, float], bool]]] = {
    "minimum": ("at least", operator.ge),
    "exclusiveMinimum": ("more than", operator.gt),
    "maximum": ("at most", operator.le),
    "exclusiveMaximum": ("less than", operator.lt),
}


def schema(project: Project) -> dict[str, Any]:
    """A JSON schema of the parameters, its `properties` empty when nothing tells of any. Raises BadProject.

    What `parameters.json` of the project says counts; else the configuration of its Flower app, where `flwr run` starts
    it, or the options that its script declares.
    """
    project.make()
    told = _told(os.path.join(project.root, FILE))
    return told or {"type": "object", "properties": _read(project.root, project.script)}


def check(project: Project, params: Mapping[str, Any]) -> None:
    """Raise InvalidParams for a number or a choice that `parameters.json` of the *project* does not let through."""
    told = _told(os.path.join(project.root, FILE)) or {"properties": {}}
    for name, value in params.items():
        schema = told["properties"].get(name, {})
        text = start_command.argument(value)
        if value is not None and (wanted := _unmet(schema, text)):
            raise InvalidParams(f"params.{name}: must be {wanted}, not {(text or repr(text))[:100]}")


def _unmet(schema: Mapping[str, Any], text: str) -> str | None:
    """What *schema* wants and the argument *text* is not; None when it is nothing."""
    if isinstance(choices := schema.get("enum"), list):
        allowed = [*map(start_command.argument, choices)]
        return None if text in allowed else f"one of {', '.join(allowed)}"
    if (kind := str(schema.get("type"))) not in NUMBERS:
        return None
    read, called = NUMBERS[kind]
    try:
        number = read(text)
    except ValueError:
        return called
    for name, (words, keeps) in LIMITS.items():
        if isinstance(limit := schema.get(name), (int, float)) and not keeps(number, limit):
            return f"{words} {limit}"
    return None


def _told(path: str) -> dict[str, Any] | None:
    try:
        found = read_json(path)
    except (OSError, ValueError):
        return None
    properties = found.get("properties") if isinstance(found, dict) else None
    if not isinstance(properties, dict) or not all(isinstance(each, dict) for each in properties.values()):
        return None
    return dict(found)


def _read(root: str, script: Sequence[str]) -> dict[str, Any]:
    if start_command.is_flwr_run(script):
        app = script[2] if len(script) > 2 and not script[2].startswith("-") else "."
        return _configured(os.path.join(root, app, "pyproject.toml"))
    source = start_command.source(script)
    return script_options.described(os.path.join(root, source)) if source else {}


def _configured(path: str) -> dict[str, Any]:
    """What the Flower app at *path* may be configured with, and its defaults."""
    try:
        with open(path, "rb") as file:
            config: Any = tomllib.load(file)
        for name in ("tool", "flwr", "app", "config"):
            config = config[name]
        rows = dict(config)
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return {
        name: {"type": TYPES[type(value)], "default": value} for name, value in rows.items() if type(value) in TYPES
    }
