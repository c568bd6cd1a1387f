"""The options that a start script declares, read from its source: nothing of it is run."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

#: Functions and methods that declare an option: of argparse, optparse, click and typer.
DECLARING = ("add_argument", "add_option", "option", "Option")
#: The actions of argparse by which an option takes no value.
SWITCHES = ("store_true", "store_false", "store_const", "append_const", "count")
#: The action that adds `--no-NAME`.
PAIR = "BooleanOptionalAction"
#: What the types of options are in a JSON schema.
TYPES = {"int": "integer", "INT": "integer", "float": "number", "FLOAT": "number", "bool": "boolean"}


@dataclass(frozen=True, slots=True)
class Option:
    """An option as a script declares it; of a flag, the words that turn it on and off."""

    flag: bool
    on: tuple[str, ...] = ()
    off: tuple[str, ...] = ()


def declared(path: str) -> Mapping[str, Option]:
    """The long options that the Python file at *path* declares by constants, by their names with the dashes.

    An option that is made in a loop, or elsewhere, is not among them.
    """
    return {name: option for call in _calls(path) for name, option in _options(call)}


def described(path: str) -> dict[str, dict[str, Any]]:
    """The same options, each as a JSON schema of its value, by the name without dashes that a parameter has."""
    found = {}
    for call in _calls(path):
        names = [name for name, _ in _options(call)]
        if names:
            flag = next(option.flag for _, option in _options(call))
            found[names[0][2:]] = _schema(call, flag=flag)
    return found


def _calls(path: str) -> list[ast.Call]:
    """The calls that declare an option, in the order of the source."""
    try:
        with open(path, "rb") as file:
            tree = ast.parse(file.read())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and _name(node.func) in DECLARING]
    return sorted(calls, key=lambda call: call.lineno)


def _schema(call: ast.Call, *, flag: bool) -> dict[str, Any]:
    given = {each.arg: each.value for each in call.keywords}
    default = _constant(given.get("default"))
    kind = given.get("type")
    choices = _constant(given.get("choices"))
    if isinstance(kind, ast.Call) and kind.args:  # click.Choice([...])
        choices = _constant(kind.args[0])
    of_default = {bool: "boolean", int: "integer", float: "number"}.get(type(default), "string")
    told = TYPES.get(_name(kind), "string") if kind is not None else of_default
    schema: dict[str, Any] = {"type": "boolean" if flag else told}
    if not flag and _constant(given.get("nargs")) not in (None, 1, "?"):
        schema = {"type": "array", "items": schema}
    if isinstance(choices, (list, tuple)) and choices:
        schema["enum"] = list(choices)
    if default is not None:
        schema["default"] = list(default) if isinstance(default, tuple) else default
    if isinstance(words := _constant(given.get("help")), str):
        schema["description"] = words.replace("%(default)s", str(default)).replace("%%", "%")
    return schema


def _constant(node: ast.expr | None) -> Any:
    """What the expression says, where it is made of constants; else None."""
    try:
        return None if node is None else ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None


def _options(call: ast.Call) -> Iterator[tuple[str, Option]]:
    words = [each.value for each in call.args if isinstance(each, ast.Constant) and isinstance(each.value, str)]
    given = {each.arg: each.value for each in call.keywords}
    action, is_flag = given.get("action"), given.get("is_flag")
    flag = isinstance(is_flag, ast.Constant) and is_flag.value is True
    flag = flag or (isinstance(action, ast.Constant) and action.value in SWITCHES)
    for word in words:
        name, slash, other = word.partition("/")
        if not name.startswith("--"):
            continue
        if slash:  # click's pair
            yield name, Option(flag=True, on=(name,), off=(other,))
        elif action is not None and _name(action) == PAIR:
            yield name, Option(flag=True, on=(name,), off=(f"--no-{name[2:]}",))
        else:
            yield name, Option(flag=flag, on=(name,))


def _name(node: ast.expr) -> str:
    """The last part of a dotted name."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
