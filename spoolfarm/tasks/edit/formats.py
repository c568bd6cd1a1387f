"""The formats that pictures are written in, by the suffix of their name."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from spoolfarm.errors import InvalidParams

if TYPE_CHECKING:
    from spoolfarm.images import Array


#: What a picture's file may be called after the dot.
Suffix: TypeAlias = Literal["jpg", "jpeg", "png", "webp", "bmp", "tif", "tiff"]


@dataclass(frozen=True)
class Format:
    """One way to write a picture."""

    suffix: str
    mimetype: str
    #: The longest side it can say, in pixels.
    max_side: int


_JPEG = Format("jpg", "image/jpeg", 65500)
_TIFF = Format("tiff", "image/tiff", 2**31)
FORMATS: Mapping[str, Format] = {
    "jpg": _JPEG,
    "jpeg": _JPEG,
    "png": Format("png", "image/png", 2**31),
    "webp": Format("webp", "image/webp", 16383),
    "bmp": Format("bmp", "image/bmp", 2**31),
    "tif": _TIFF,
    "tiff": _TIFF,
}


def named(suffix: str, field: str) -> Format:
    """The format called *suffix*, in any case. Raises InvalidParams that names *field*."""
    found = FORMATS.get(suffix.lower())
    if found is None:
        other = repr(suffix) if suffix else "without a suffix"
        raise InvalidParams(f"{field}: pictures are written as {', '.join(FORMATS)}, not {other}")
    return found


def of_path(path: str, field: str) -> Format:
    """The format that the suffix of *path* names. Raises InvalidParams that names *field*."""
    return named(posixpath.splitext(path)[1].removeprefix("."), field)


def encode(picture: Array, form: Format, quality: int) -> bytes:
    """The file of *picture*; *quality*, 1 to 100, is for JPEG and WebP."""
    import cv2

    options = {"jpg": [cv2.IMWRITE_JPEG_QUALITY, quality], "webp": [cv2.IMWRITE_WEBP_QUALITY, quality]}
    _, data = cv2.imencode(f".{form.suffix}", picture, options.get(form.suffix, []))
    return data.tobytes()
