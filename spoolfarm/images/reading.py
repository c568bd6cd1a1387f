"""Reading: the one decoder, from a picture's bytes to the pixels that tasks see."""

from __future__ import annotations

import io
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from spoolfarm.errors import BrokenImage
from spoolfarm.images import tiff
from spoolfarm.images.formats import sniff
from spoolfarm.images.header import Header, look
from spoolfarm.images.orientation import UNREADABLE

if TYPE_CHECKING:
    import numpy as np


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


def check(data: bytes, field: str, max_pixels: int, *, pdf: bool = False) -> Header:
    """The header of the picture *data*; see `look`."""
    return look(io.BytesIO(data), field, max_pixels, pdf=pdf)


def several_pages(data: bytes) -> bool:
    """Whether `decode` would take one page of several. Raises BrokenImage."""
    return sniff(data) == "TIFF" and sum(1 for _ in islice(tiff.pages(io.BytesIO(data)), 2)) > 1


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

    from spoolfarm.images import decoder, raster
    from spoolfarm.images.colour import to_bgr

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
