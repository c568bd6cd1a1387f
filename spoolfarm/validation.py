"""Validation: text and fields from outside become values, or a sentence that says what is wrong with them."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import ValidationError

#: How many values JSON may have: each takes microseconds to read and to check, and a hundred bytes.
MAX_VALUES = 250_000
#: Up to so many times as many it is worth a look which of the marks stand in texts.
WORTH_A_LOOK = 4
#: What pydantic puts before what a validator of ours says, and after the number of values that a list should have.
OURS, AFTER = "Value error, ", " after validation"
#: What else it says in words of Python or of its own, by the type of its error.
PLAINLY = {
    "missing": "is missing",
    "extra_forbidden": "is not known here",
    "dict_type": "Input should be an object",
    "model_type": "Input should be an object",
    "model_attributes_type": "Input should be an object",
}
#: The parts of a place that say which of several types was tried, and name no field.
TRIED = re.compile(r"literal\[.*\]|constrained-\w+", re.DOTALL)
#: One of these stands before each value but the first of them all.
MARKS = (b",", b"[", b"{")

#: Made once: making it takes as long as encoding the parameters of a job.
_STRICT = json.JSONEncoder(ensure_ascii=False, allow_nan=False)
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)


def json_value(text: bytes | str) -> Any:
    """What the JSON *text* says. Raises ValueError, also for NaN and Infinity: "is not valid JSON: ...".

    A byte order mark is no part of it, and what is not in UTF-8 is seen by its first bytes.
    """
    from pydantic_core import from_json  # ten times as fast as the standard library's, and as long to import

    if len(text) > MAX_VALUES and _values(text) > MAX_VALUES:
        raise ValueError(f"has more than {MAX_VALUES} values")
    try:
        return from_json(_without_mark(text), allow_inf_nan=False)
    except ValueError as error:
        raise ValueError(f"is not valid JSON: {error}") from error


def _values(text: bytes | str) -> int:
    """How many values the JSON *text* has, objects and arrays included, or a few less."""
    data = text.encode(errors="replace") if isinstance(text, str) else text
    found = sum(map(data.count, MARKS))
    if MAX_VALUES < found <= WORTH_A_LOOK * MAX_VALUES:
        found = sum(map(_STRING.sub(b"", data).count, MARKS))
    return found


def _without_mark(text: bytes | str) -> bytes | str:
    """*text* less its byte order mark; bytes whose beginning says that they are not UTF-8 are decoded."""
    if isinstance(text, str):
        return text.removeprefix("\ufeff")
    encoding = json.detect_encoding(text)
    return text if encoding == "utf-8" else text.decode(encoding)


def json_object(text: bytes | str) -> dict[str, Any]:
    """The JSON object that *text* says. Raises ValueError, whose sentence wants the name of the text before it."""
    found = json_value(text)
    if not isinstance(found, dict):
        raise ValueError("must be a JSON object")
    return found


def check_sayable(value: Any) -> None:
    """Raise ValueError for what JSON lets through and no job file can say: infinite numbers (1e999), half letters."""
    _STRICT.encode(value).encode()


def findings(error: ValidationError, *above: str) -> list[str]:
    """What pydantic found, one sentence each, 'min_score: Input should be ...', with the names *above* before it."""
    return [
        f"{'.'.join([*above, *_place(found['loc'])])}: "
        f"{PLAINLY.get(found['type']) or found['msg'].removeprefix(OURS).replace(AFTER, '')}"
        for found in error.errors()
    ]


def _place(found: tuple[int | str, ...]) -> list[str]:
    return [str(part) for part in found if not (isinstance(part, str) and TRIED.fullmatch(part))]
