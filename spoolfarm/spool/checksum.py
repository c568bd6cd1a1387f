"""Checksum: the last field of a JSON object, by which a reader sees whether anything before it has changed.

    {"id":"18a...", "task":"ocr", ..., "crc32":"1a2b3c4d"}

It is over all bytes before the field, and over what belongs to the object and lies behind it, such as the pictures of a
job. An object without the field was written by an earlier version, or by somebody else.
"""

from __future__ import annotations

import json
import zlib
from typing import Any

#: The field and the object's end.
_FIELD = b',"crc32":"%08x"}'
_NAME = b',"crc32":"'
_LENGTH = len(_FIELD % 0)
_read = json.JSONDecoder().raw_decode


class Altered(ValueError):
    """The bytes are not those that were written."""


def seal(text: bytes, *more: bytes | memoryview) -> bytes:
    """The JSON object *text*, which has a field already, with the checksum of itself and *more* added."""
    body = text[:-1]
    return body + _FIELD % _crc(body, more)


def check(text: bytes, *more: bytes | memoryview) -> bool:
    """Whether *text* has a checksum, by which it and *more* are whole. Raises Altered when they are not."""
    field = text[-_LENGTH:]
    if not field.startswith(_NAME) or not field.endswith(b'"}'):
        return False
    if field != _FIELD % _crc(text[:-_LENGTH], more):
        raise Altered("its checksum does not fit")
    return True


def opened(data: bytes) -> dict[str, Any]:
    """The object in *data*, without its checksum, if it has one. Raises Altered, also for anything but an object."""
    check(data)
    try:
        found = parsed(data)
    except ValueError as error:
        raise Altered(f"no JSON: {error}") from error
    if not isinstance(found, dict):
        raise Altered("no JSON object")
    found.pop("crc32", None)
    return found


def parsed(text: bytes) -> Any:
    """The JSON value that *text* says, which is UTF-8. Raises ValueError.

    As `json.loads` in half the time: reading it is much of what a small job costs.
    """
    said = text.decode(errors="surrogatepass").strip()
    try:
        value, end = _read(said)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if end != len(said):
        raise ValueError(f"there is more behind its end, at {end}")
    return value


def _crc(body: bytes, more: tuple[bytes | memoryview, ...]) -> int:
    crc = zlib.crc32(body)
    for each in more:
        crc = zlib.crc32(each, crc)
    return crc
