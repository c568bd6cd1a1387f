"""Orientation: which way is up, as EXIF numbers it from 1 to 8."""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from typing import Any

#: What Pillow raises for pictures that are not what they say.
UNREADABLE = (OSError, SyntaxError, ValueError, TypeError, LookupError, EOFError, OverflowError, struct.error)
#: EXIF's tag for it, and TIFF's.
TAG = 0x0112
#: The orientations of a picture that lies on its side.
LYING = (5, 6, 7, 8)

_XMP = re.compile(rb'tiff:Orientation(?:="|>)([1-8])')


def told(info: Mapping[Any, Any]) -> int:
    """The orientation that the EXIF of a picture says, else its XMP; 1 when neither does. *info* is Pillow's."""
    return of(info.get("exif"), info.get("xmp"))


def of(exif: bytes | None, xmp: bytes | str | None = None) -> int:
    """The orientation that *exif* says, else *xmp*. EXIF may begin with `Exif\\0\\0` or not."""
    if exif:
        from PIL import Image

        found = Image.Exif()
        try:
            found.load(exif)
            value = found.get(TAG)
        except UNREADABLE:
            value = None
        if value is not None:
            return valid(value)
    match = _XMP.search(xmp.encode() if isinstance(xmp, str) else xmp) if xmp else None
    return int(match[1]) if match else 1


def valid(value: object) -> int:
    """*value* when it is an orientation, else 1."""
    return value if isinstance(value, int) and 1 <= value <= 8 else 1
