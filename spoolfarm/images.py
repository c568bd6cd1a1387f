"""Pictures: base64 in the client's own way to bytes, a size check that reads only the header, and the one decoder."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from spoolfarm.errors import BrokenImage, InvalidRequest
from spoolfarm.pictures import tiff
from spoolfarm.pictures.formats import MAGIC, is_pdf, sniff
from spoolfarm.pictures.given import encoded
from spoolfarm.pictures.header import MAX_SIDE, Header, look, opened
from spoolfarm.pictures.orientation import UNREADABLE

if TYPE_CHECKING:
    import numpy as np

    from spoolfarm.pictures.given import Picture as Picture

__all__ = [
    "MAGIC",
    "MAX_SIDE",
    "UNREADABLE",
    "Decoded",
    "Header",
    "check",
    "decode",
    "encoded",
    "from_base64",
    "is_pdf",
    "look",
    "opened",
    "pages",
    "read",
    "sniff",
]

_DATA_URI = re.compile(r"\s*data:[^,]{0,200};base64,", re.IGNORECASE)
_URL_SAFE = str.maketrans("-_", "+/")


@dataclass(frozen=True, slots=True)
class Decoded:
    """A picture as the tasks see it."""

    #: (height, width, 3) in BGR order, sRGB, upright.
    pixels: np.ndarray[Any, np.dtype[np.uint8]]
    #: The least and the greatest sample of the file, where these became 0 and 255; None where the type's own range did.
    scaled: tuple[float, float] | None = None

    @property
    def record(self) -> dict[str, Any]:
        """What an answer says of it: `scaled`, or nothing."""
        return {} if self.scaled is None else {"scaled": list(self.scaled)}


def from_base64(text: str, field: str = "image") -> bytes:
    """Return the bytes that *text* stands for. Raises InvalidRequest that names *field*.

    Taken in this order: a `data:...;base64,` prefix goes; line breaks go with the blanks around them; a blank that
    remains is a `+` that a form turned into a space. The URL-safe alphabet and missing padding are fine too.
    """
    import pybase64  # ten times and more as fast as the standard library, which is all that the client needs

    if text:
        try:
            return pybase64.b64decode(text, validate=True)
        except ValueError:
            pass  # not as the book says: now the careful way
    if prefix := _DATA_URI.match(text):
        text = text[prefix.end() :]
    if "\n" in text or "\r" in text:
        text = "".join(line.strip(" \t") for line in re.split(r"[\r\n]+", text))
    text = text.strip().replace(" ", "+").translate(_URL_SAFE).rstrip("=")
    if not text:
        raise InvalidRequest(f"{field}: is empty; send a picture as base64")
    try:
        return pybase64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError as error:
        raise InvalidRequest(f"{field}: is not base64 ({error})") from error


def check(data: bytes, field: str, max_pixels: int, *, pdf: bool = False) -> Header:
    """The header of the picture *data*; see `look`."""
    return look(io.BytesIO(data), field, max_pixels, pdf=pdf)


def pages(data: bytes) -> int:
    """How many pages *data* has, of which `decode` takes the first: 1 unless it is a TIFF. Raises BrokenImage."""
    return tiff.pages(io.BytesIO(data)) if sniff(data) == "TIFF" else 1


def decode(data: bytes) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """The pixels of *data*; see `read`."""
    return read(data).pixels


def read(data: bytes, *, stretch: bool = False) -> Decoded:
    """Decode *data* to (height, width, 3) uint8 in BGR order and sRGB, upright by its EXIF orientation.

    16-bit samples are divided by 257, floating-point samples from 0 to 1 are multiplied by 255, other floating-point
    samples, 32-bit ones and ones with a sign are stretched by what they use. With *stretch* so are those that use less
    than a quarter of their range. Transparent parts come out white, or black where what is left is light. Of a TIFF
    the first page is taken, of a GIF the first frame. Raises BrokenImage.
    """
    from PIL import Image

    from spoolfarm.pictures import decoder, raster
    from spoolfarm.pictures.colour import to_bgr

    kind = sniff(data)
    if kind is None:
        raise BrokenImage("the bytes are no picture of a type we take")
    try:
        found = decoder.raster(data, kind)
    except (*UNREADABLE, ImportError, Image.DecompressionBombError) as error:
        raise BrokenImage("the picture is damaged or cut short") from error
    eight, scaled = raster.eight_bits(found, stretch=stretch)
    pixels = to_bgr(eight, found)
    if found.alpha is not None:
        pixels = raster.on_ground(pixels, found.alpha, premultiplied=found.premultiplied)
    return Decoded(raster.upright(pixels, found.orientation), scaled)
