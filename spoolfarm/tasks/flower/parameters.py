"""The parameters of a simulation, as a form needs them: told by the project, or read from its script's source."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

from spoolfarm.tasks.flower import script_options, start_command
from spoolfarm.tasks.flower.project import Project, read_json

#: The file of a project that tells its parameters, as a JSON schema of an object.
FILE = "parameters.json"
#: What values of TOML are in a JSON schema.
TYPES: Mapping[type, str] = {bool: "boolean", int: "integer", float: "number", str: "string"}


def schema(project: Project) -> dict[str, Any]:
    """A JSON schema of the parameters, its `properties` empty when nothing tells of any. Raises BadProject.

    What `parameters.json` of the project says counts; else the configuration of its Flower app, where `flwr run` starts
    it, or the options that its script declares.
    """
    project.make()
    told = _told(os.path.join(project.root, FILE))
    return told or {"type": "object", "properties": _read(project.root, project.script)}


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
