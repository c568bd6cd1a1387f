"""Rasters: the samples of a picture as its file stores them, and the way to 8 bits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import cv2
import numpy as np

from spoolfarm.errors import BrokenImage

Array: TypeAlias = np.ndarray[Any, Any]
#: An array of uint8.
Bytes: TypeAlias = np.ndarray[Any, Any]
#: The least and the greatest sample that were spread over 0 to 255.
Scaled: TypeAlias = tuple[float, float]

#: A picture uses a small part of its range when that is less than this share of it.
SMALL = 0.25
#: The share of samples that are left out at either end where they make up most of what is in use: hot pixels.
OUTLIERS = 1e-4
#: Samples that are sorted to find them, about.
MANY = 1_000_000
#: Rows that are stretched at a time, which keeps what is made on the way small.
ROWS = 256
#: A ground of black in place of white: at least so much of the picture is transparent, and so much of the rest is
#: lighter than LIGHT of 255.
CLEAR, MOSTLY, LIGHT = 0.1, 0.9, 170


@dataclass(frozen=True, slots=True)
class Raster:
    """A picture before it is 8 bits, of one colour space, opaque and upright."""

    #: (height, width) for "L", (height, width, 3) for "BGR" and "LAB", (height, width, 4) for "CMYK"; any real type.
    samples: Array
    model: Literal["L", "BGR", "CMYK", "LAB"]
    #: (height, width), 0 to 255: how opaque.
    alpha: Bytes | None = None
    #: The sample that is white (or full ink); 0 when the type has none, as signed and 32-bit numbers.
    full: int = 255
    #: Whether 0 is white.
    negative: bool = False
    #: Whether the samples were multiplied by alpha.
    premultiplied: bool = False
    #: An ICC profile, or b"".
    profile: bytes = b""
    #: As EXIF numbers it.
    orientation: int = 1


def eight_bits(raster: Raster, *, stretch: bool) -> tuple[Bytes, Scaled | None]:
    """The samples as 8 bits, and what was spread over them when they were stretched.

    Whole numbers are divided so that the greatest one becomes 255, floating-point numbers of 0 to 1 times 255. Others
    are stretched by what they use; with *stretch* so is what uses a small part of its range.
    """
    samples, full = raster.samples, float(raster.full)
    scaled = None
    if samples.dtype != np.uint8:
        if samples.dtype.kind == "f":
            samples, full = _finite(samples)
        used = _used(samples) if stretch or not full else None
        if used is not None and (not full or used[1] - used[0] < SMALL * full):
            eight, scaled = _spread(samples, *used), used
        elif samples.dtype == np.uint16:
            eight = cv2.convertScaleAbs(samples, alpha=255 / full).reshape(samples.shape)
        else:
            eight = _spread(samples, 0, full or 1)
    else:
        eight = samples
    return (cv2.bitwise_not(eight) if raster.negative else eight), scaled


def _finite(samples: Array) -> tuple[Array, float]:
    """Floating-point samples without NaN and infinity, and 1 when all lie in 0 to 1, else 0."""
    good = np.isfinite(samples)
    if not good.all():
        if not good.any():
            raise BrokenImage("the picture has no sample that is a number")
        samples = np.where(good, samples, samples[good].min())
    return samples, float(samples.min() >= 0 and samples.max() <= 1)


def _used(samples: Array) -> Scaled | None:
    """The least and the greatest sample, less a few far outside the others; None when all are alike."""
    low, high = samples.min().item(), samples.max().item()
    some = samples.reshape(-1)[:: 1 + samples.size // MANY]
    if few := int(some.size * OUTLIERS):
        ordered = np.partition(some, (few, some.size - 1 - few))
        inner = ordered[few].item(), ordered[-1 - few].item()
        if 0 < inner[1] - inner[0] < (high - low) / 2:
            low, high = inner
    return (low, high) if high > low else None


def _spread(samples: Array, low: float, high: float) -> Bytes:
    eight = np.empty(samples.shape, np.uint8)
    for at in range(0, len(samples), ROWS):
        rows = (samples[at : at + ROWS].astype(np.float64) - low) * (255 / (high - low))
        eight[at : at + ROWS] = np.rint(rows, out=rows).clip(0, 255, out=rows)
    return eight


def on_ground(picture: Bytes, alpha: Bytes, *, premultiplied: bool) -> Bytes:
    """*picture*, (height, width, 3), on white paper, or on black where light letters would vanish on white."""
    if alpha.min() == 255:
        return picture
    three = cv2.merge([alpha] * 3)
    seen = picture if premultiplied else cv2.multiply(picture, three, scale=1 / 255)
    return seen.astype(np.uint8, copy=False) if _light(picture, alpha) else cv2.add(seen, cv2.bitwise_not(three))


def _light(picture: Bytes, alpha: Bytes) -> bool:
    opaque = cv2.mean(alpha)[0] / 255
    if not 0 < opaque <= 1 - CLEAR:
        return False
    _, light = cv2.threshold(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), LIGHT, 255, cv2.THRESH_BINARY)
    return cv2.mean(alpha, light)[0] * cv2.countNonZero(light) >= MOSTLY * opaque * 255 * alpha.size


def upright(picture: Bytes, orientation: int) -> Bytes:
    """*picture* turned by its EXIF *orientation*."""
    if orientation in (5, 7):
        picture = cv2.transpose(picture)
    match orientation:
        case 2:
            return cv2.flip(picture, 1)
        case 3 | 7:
            return cv2.rotate(picture, cv2.ROTATE_180)
        case 4:
            return cv2.flip(picture, 0)
        case 6:
            return cv2.rotate(picture, cv2.ROTATE_90_CLOCKWISE)
        case 8:
            return cv2.rotate(picture, cv2.ROTATE_90_COUNTERCLOCKWISE)
        case _:
            return picture
