"""The arguments of the command line: how words become values, and options that may stand between files."""

from __future__ import annotations

import argparse
import math
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from spoolfarm.validation import json_object, json_value

#: Seconds in the units of an age.
UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


class VerbParser(argparse.ArgumentParser):
    """Takes options between the files as well as before and after them."""

    _inside = False

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """The method through which the main parser calls a verb's parser."""
        if self._inside:
            return super().parse_known_args(args, namespace)
        self._inside = True
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._inside = False


class Version(argparse.Action):
    """Prints the version of the package and ends the program."""

    def __init__(self, option_strings: Sequence[str], dest: str, help: str | None = None) -> None:
        super().__init__(option_strings, argparse.SUPPRESS, nargs=0, default=argparse.SUPPRESS, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version  # here: the verbs need not wait for it

        sys.stdout.write(f"spoolfarm {version('spoolfarm')}\n")
        parser.exit()


@dataclass(frozen=True, slots=True)
class Typed:
    """What was typed for a parameter, and what it is as JSON: `7` may be a number or a text."""

    text: str
    value: Any


def param(text: str) -> tuple[str, Any]:
    """NAME=VALUE, whose value is JSON when it reads as JSON, else text; `Typed` where that depends on the task."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    try:
        read = json_value(value)
    except ValueError:
        return name, value
    return name, read if isinstance(read, str) else Typed(value, read)


def params(text: str) -> list[tuple[str, Any]]:
    """The names and values in a JSON object."""
    try:
        return list(json_object(text).items())
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} {error}") from error


def number(text: str) -> int:
    """A whole number above 0."""
    if not re.fullmatch(r"\d{1,4}", text) or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 to 9999")
    return int(text)


def seconds(text: str) -> float:
    """A number of seconds."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds; files go before --wait")
    return value


def age(text: str) -> float:
    """Seconds, or with a unit 30m, 2h, 7d."""
    match = re.fullmatch(r"(\d{1,12}(?:\.\d+)?)([smhd]?)", text)
    if not match:
        raise argparse.ArgumentTypeError(f"{text!r} is no age; write seconds, or 30m, 2h, 7d")
    return float(match[1]) * UNITS[match[2]]
