"""Orientation: which way is up, as EXIF numbers it from 1 to 8."""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Mapping
from typing import Any

from spoolfarm.errors import BrokenImage
from spoolfarm.images import tiff

#: The EXIF tag, which is TIFF's, that says how a picture is turned.
ORIENTATION = tiff.Tag.ORIENTATION
#: What Pillow raises for pictures that are not what they say.
UNREADABLE = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    EOFError,
    OverflowError,
    RuntimeError,
    struct.error,
)
#: What EXIF begins with in a JPEG, and elsewhere by mistake; a TIFF follows.
PREFIX = b"Exif\0\0"
#: The orientations of a picture that lies on its side.
LYING = (5, 6, 7, 8)

_XMP = re.compile(rb"tiff:Orientation(?:\s{0,9}=\s{0,9}[\"']|>\s{0,9})([1-8])")


def told(info: Mapping[Any, Any]) -> int:
    """The orientation that the EXIF of a picture says, else its XMP; 1 when neither does. *info* is Pillow's."""
    return of(info.get("exif"), info.get("xmp"))


def of(exif: bytes | None, xmp: bytes | str | None = None) -> int:
    """The orientation that *exif* says, else *xmp*. EXIF may begin with `Exif\\0\\0` or not."""
    if exif:
        while exif.startswith(PREFIX):
            exif = exif[len(PREFIX) :]
        try:
            said = tiff.first(io.BytesIO(exif), (tiff.Tag.ORIENTATION,)).one(tiff.Tag.ORIENTATION, 0)
        except BrokenImage:
            said = 0
        if said:
            return said if said <= 8 else 1
    match = _XMP.search(xmp.encode() if isinstance(xmp, str) else xmp) if xmp else None
    return int(match[1]) if match else 1
