"""Validation: text and fields from outside become values, or a sentence that says what is wrong with them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import ValidationError


def json_value(text: bytes | str) -> Any:
    """What the JSON *text* says. Raises ValueError, also for NaN and Infinity: "is not valid JSON: ...".

    A byte order mark is no part of it, and what is not in UTF-8 is seen by its first bytes.
    """
    from pydantic_core import from_json  # ten times as fast as the standard library's, and as long to import

    try:
        return from_json(_without_mark(text), allow_inf_nan=False)
    except ValueError as error:
        raise ValueError(f"is not valid JSON: {error}") from error


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
    json.dumps(value, ensure_ascii=False, allow_nan=False).encode()


def findings(error: ValidationError, *above: str) -> list[str]:
    """What pydantic found, one sentence each, 'min_score: Input should be ...', with the names *above* before it."""
    return [f"{'.'.join([*above, *map(str, found['loc'])])}: {found['msg']}" for found in error.errors()]
