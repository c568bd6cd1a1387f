"""The options that a start script declares, read from its source: nothing of it is run."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

#: Functions and methods that declare an option: of argparse, optparse, click and typer.
DECLARING = ("add_argument", "add_option", "option", "Option")
#: The actions of argparse by which an option takes no value.
SWITCHES = ("store_true", "store_false", "store_const", "append_const", "count")
#: The action that adds `--no-NAME`.
PAIR = "BooleanOptionalAction"


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
    try:
        with open(path, "rb") as file:
            tree = ast.parse(file.read())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return {}
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call) and _name(node.func) in DECLARING)
    return {name: option for call in calls for name, option in _options(call)}


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
