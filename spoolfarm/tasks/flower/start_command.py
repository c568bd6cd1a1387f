"""The command that starts a simulation: the script or program of the settings, and parameters as its arguments."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from spoolfarm.errors import BadProject, InvalidParams
from spoolfarm.tasks.flower import flwr_run
from spoolfarm.tasks.flower.script_options import declared

#: What stands for the farm's own Python.
PYTHON = ("python", "python3", f"python3.{sys.version_info.minor}")
#: Where the farm's Python and the programs of its packages are.
PROGRAMS = os.path.dirname(sys.executable)
#: The options of `flwr run` that are no part of a run's configuration.
FLWR = ("run-config", "federation", "federation-config", "format", "stream")


def command(root: str, script: Sequence[str], params: Mapping[str, Any]) -> list[str]:
    """The command that runs *script* with *params* in the project at *root*. Raises BadProject or InvalidParams."""
    first, *rest = _program(root, script)
    if is_flwr_run((first, *rest)):
        return [sys.executable, "-I", "-S", flwr_run.__file__, first, *rest, *_flwr_arguments(params)]
    python = source((first, *rest))
    return [first, *rest, *_arguments(params, os.path.join(root, python) if python else "")]


def is_flwr_run(script: Sequence[str]) -> bool:
    """Whether *script* is Flower's own command."""
    return os.path.basename(script[0]) == "flwr" and [*script[1:2]] == ["run"]


def source(script: Sequence[str]) -> str:
    """The Python file among the words of *script*, or ""."""
    return next((word for word in script if word.endswith(".py")), "")


def search_path(program: str) -> str:
    """Where programs are searched for by what runs *program*: beside it first, then beside the farm's Python."""
    beside = [os.path.dirname(program)] if os.path.isabs(program) else []
    return os.pathsep.join(dict.fromkeys([*beside, PROGRAMS, *os.environ.get("PATH", os.defpath).split(os.pathsep)]))


def argument(value: Any) -> str:
    """A parameter, or an element of one, as the script's argument."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _program(root: str, script: Sequence[str]) -> list[str]:
    """The words of *script*, with its program where it lies."""
    first, *rest = script
    if first in PYTHON:
        return [sys.executable, *rest]
    if os.path.isfile(here := os.path.join(root, first)):
        return [sys.executable, first, *rest] if first.endswith(".py") else [here, *rest]
    found = None if first.endswith(".py") else shutil.which(first, path=search_path(first))
    if found is None:
        raise BadProject(f"FLOWER_START_SCRIPT: {first} is neither in the project nor a command")
    return [found, *rest]


def _arguments(params: Mapping[str, Any], source: str) -> list[str]:
    """`--name value` for each parameter; only `--name` for null, and for a flag that the script at *source* declares.

    Where the script declares a name with dashes in place of underscores, or the other way round, that is meant.
    """
    options = declared(source) if source else {}
    found: list[str] = []
    for name, value in params.items():
        spellings = [f"--{each}" for each in (name, name.replace("_", "-"), name.replace("-", "_"))]
        word = next((each for each in spellings if each in options), spellings[0])
        if isinstance(value, bool) and word in options and options[word].flag:
            found += options[word].on if value else options[word].off
        elif value is None:
            found.append(word)
        else:
            found += [word, *map(argument, value if isinstance(value, list) else [value])]
    return found


def _flwr_arguments(params: Mapping[str, Any]) -> list[str]:
    """The options of `flwr run` among *params*, and the others as the run's configuration."""
    options = {name: value for name, value in params.items() if name in FLWR}
    configured = [f"{name}={_toml(name, value)}" for name, value in params.items() if name not in FLWR]
    return _arguments(options, "") + (["--run-config", " ".join(configured)] if configured else [])


def _toml(name: str, value: Any) -> str:
    """*value* as `flwr run --run-config` reads it. Raises InvalidParams."""
    if value is None or isinstance(value, list):
        raise InvalidParams(f"params.{name}: flwr run takes a number, a text, true or false")
    if not isinstance(value, str):
        return argument(value)
    quote = next((each for each in "'\"" if each not in value), "")
    if not quote or not value.isprintable() or (quote == '"' and "\\" in value):
        raise InvalidParams(f"params.{name}: flwr run takes one line of text with one kind of quotes")
    return f"{quote}{value}{quote}"
