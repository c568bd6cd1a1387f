"""The operations: what each `name=value` means, its bounds, and what it makes of a picture.

Its row of OPERATIONS makes an operation from the text of its value. Sizes are (width, height) in pixels; pictures are
arrays (height, width, 3) in BGR order or (height, width) in grey, 8 bits a sample, and are never changed in place.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from spoolfarm.images import MAX_SIDE
from spoolfarm.tasks.edit import gaussian

if TYPE_CHECKING:
    from spoolfarm.images import Array

Size: TypeAlias = tuple[int, int]

_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?|[+-]?(nan|inf|infinity)", re.IGNORECASE)
#: The values that switch an operation off, as the interface that this one follows spells them.
OFF = ("None", "false", "False")
#: Standard deviation, in pixels, of `blur=0` and of the blur that `sharpen` takes away.
SIGMA = 1.0
#: The longest side of a kernel that is laid over every pixel; longer ones would take longer and longer.
LONGEST_KERNEL = 151
#: The colour of the corners that a rotation leaves empty.
PAPER = (255, 255, 255)


@dataclass(frozen=True)
class Operation:
    """One step of a recipe."""

    def sizes(self, size: Size) -> list[Size]:
        """The sizes of the pictures it makes of one of *size*."""
        return [size]

    def apply(self, picture: Array) -> list[Array]:
        """The pictures it makes of *picture*."""
        return [self.one(picture)]

    def one(self, picture: Array) -> Array:
        """The one picture it makes of *picture*, where it makes one."""
        return picture


def size_of(picture: Array) -> Size:
    """Width and height."""
    height, width = picture.shape[:2]
    return width, height


def scaled(picture: Array, size: Size) -> Array:
    """*picture* in another size: area means to shrink it, cubic interpolation to enlarge it."""
    import cv2

    if size == size_of(picture):
        return picture
    grows = size[0] > picture.shape[1] or size[1] > picture.shape[0]
    return cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC if grows else cv2.INTER_AREA)


def grey(picture: Array) -> Array:
    """*picture* without colour."""
    import cv2

    return picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)


@dataclass(frozen=True)
class Resize(Operation):
    """Both sides times *factor*."""

    factor: float

    def sizes(self, size: Size) -> list[Size]:
        return [(max(1, round(size[0] * self.factor)), max(1, round(size[1] * self.factor)))]

    def one(self, picture: Array) -> Array:
        return scaled(picture, self.sizes(size_of(picture))[0])


@dataclass(frozen=True)
class Fit(Operation):
    """Shrunk to fit into a frame."""

    width: int
    height: int

    def sizes(self, size: Size) -> list[Size]:
        factor = min(1.0, self.width / size[0], self.height / size[1])
        return [(max(1, round(size[0] * factor)), max(1, round(size[1] * factor)))]

    def one(self, picture: Array) -> Array:
        return scaled(picture, self.sizes(size_of(picture))[0])


@dataclass(frozen=True)
class Split(Operation):
    """Four quadrants: left-top, right-top, left-bottom, right-bottom; of an odd side the second part is the larger."""

    def sizes(self, size: Size) -> list[Size]:
        if min(size) < 2:
            return [size]
        (left, right), (top, bottom) = ((side // 2, side - side // 2) for side in size)
        return [(left, top), (right, top), (left, bottom), (right, bottom)]

    def apply(self, picture: Array) -> list[Array]:
        width, height = size_of(picture)
        if min(width, height) < 2:
            return [picture]
        x, y = width // 2, height // 2
        return [picture[:y, :x], picture[:y, x:], picture[y:, :x], picture[y:, x:]]


@dataclass(frozen=True)
class Crop(Operation):
    """What of a rectangle lies in the picture; the whole picture when nothing does."""

    x: int
    y: int
    width: int
    height: int

    def sizes(self, size: Size) -> list[Size]:
        width, height = min(self.width, size[0] - self.x), min(self.height, size[1] - self.y)
        return [(width, height) if width > 0 and height > 0 else size]

    def one(self, picture: Array) -> Array:
        [(width, height)] = self.sizes(size_of(picture))
        if (width, height) == size_of(picture):
            return picture
        return picture[self.y : self.y + height, self.x : self.x + width]


@dataclass(frozen=True)
class Rotate(Operation):
    """Turned counter-clockwise, on a canvas that holds all of it."""

    degrees: float

    def sizes(self, size: Size) -> list[Size]:
        width, height = size
        if self.degrees % 180 == 0:
            return [size]
        if self.degrees % 90 == 0:
            return [(height, width)]
        cosine, sine = abs(math.cos(math.radians(self.degrees))), abs(math.sin(math.radians(self.degrees)))
        return [(round(width * cosine + height * sine) or 1, round(width * sine + height * cosine) or 1)]

    def one(self, picture: Array) -> Array:
        import cv2

        quarters = {90: cv2.ROTATE_90_COUNTERCLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_CLOCKWISE}
        turn = self.degrees % 360
        if turn == 0:
            return picture
        if turn in quarters:
            return cv2.rotate(picture, quarters[int(turn)])
        width, height = size_of(picture)
        [size] = self.sizes((width, height))
        centre = ((width - 1) / 2, (height - 1) / 2)
        matrix = cv2.getRotationMatrix2D(centre, turn, 1.0)
        matrix[0, 2] += (size[0] - 1) / 2 - centre[0]
        matrix[1, 2] += (size[1] - 1) / 2 - centre[1]
        return cv2.warpAffine(picture, matrix, size, flags=cv2.INTER_CUBIC, borderValue=PAPER)


@dataclass(frozen=True)
class Flip(Operation):
    """Mirrored: left and right change places, or top and bottom."""

    #: OpenCV's word: 1 is left and right, 0 top and bottom.
    axis: int

    def one(self, picture: Array) -> Array:
        import cv2

        return cv2.flip(picture, self.axis)


@dataclass(frozen=True)
class Blur(Operation):
    """A Gaussian blur whose kernel has *side* pixels a side, or 0 for SIGMA."""

    side: int

    def one(self, picture: Array) -> Array:
        import cv2

        if self.side > LONGEST_KERNEL:
            return gaussian.blurred(picture, self.side)
        return cv2.GaussianBlur(picture, (self.side, self.side), 0 if self.side else SIGMA)


@dataclass(frozen=True)
class Sharpen(Operation):
    """More of what a small blur takes away."""

    amount: float

    def one(self, picture: Array) -> Array:
        import cv2

        blurred = cv2.GaussianBlur(picture, (0, 0), SIGMA)
        return cv2.addWeighted(picture, 1 + self.amount, blurred, -self.amount, 0)


@dataclass(frozen=True)
class Denoise(Operation):
    """Non-local means (Buades, Coll and Morel 2011): patches of 7 x 7 in a neighbourhood of 21 x 21 pixels."""

    strength: float

    def one(self, picture: Array) -> Array:
        import cv2

        if picture.ndim == 2:
            return cv2.fastNlMeansDenoising(picture, None, self.strength, 7, 21)
        return cv2.fastNlMeansDenoisingColored(picture, None, self.strength, self.strength, 7, 21)


@dataclass(frozen=True)
class Grayscale(Operation):
    """Without colour."""

    def one(self, picture: Array) -> Array:
        return grey(picture)


@dataclass(frozen=True)
class Threshold(Operation):
    """Black and white: what is brighter than *level* becomes white. None lets Otsu's method find the level."""

    level: int | None

    def one(self, picture: Array) -> Array:
        import cv2

        method = cv2.THRESH_BINARY | (cv2.THRESH_OTSU if self.level is None else 0)
        return cv2.threshold(grey(picture), self.level or 0, 255, method)[1]


@dataclass(frozen=True)
class Quality(Operation):
    """How well JPEG and WebP keep the picture; of several the last counts."""

    percent: int


# The values. Each function returns the operation, or None when the value is out of bounds, which skips it; for what is
# no such value at all it raises ValueError with what is.


def number(text: str) -> float:
    if not _NUMBER.fullmatch(text):
        raise ValueError("a number")
    return float(text)


def whole(text: str) -> int:
    if not re.fullmatch(r"[+-]?[0-9]+", text):
        raise ValueError("a whole number")
    return int(text[:18])  # what has more digits is as far beyond all bounds as this


def wholes(text: str, names: str) -> list[int]:
    parts = text.split(",")
    try:
        found = [whole(part.strip()) for part in parts]
    except ValueError:
        found = []
    if len(found) != len(names.split(",")):
        raise ValueError(f"whole numbers {names}")
    return found


def resize(text: str) -> Operation | None:
    factor = number(text)
    return Resize(factor) if 0.05 < factor <= 100 else None


def split(text: str) -> Operation | None:
    return None if text in OFF else Split()


def blur(text: str) -> Operation | None:
    side = whole(text)
    return Blur(side + (side > 0 and side % 2 == 0)) if side >= 0 else None


def crop(text: str) -> Operation | None:
    x, y, width, height = wholes(text, "x,y,w,h")
    return Crop(x, y, width, height) if min(x, y) >= 0 and min(width, height) >= 1 else None


def rotate(text: str) -> Operation | None:
    degrees = number(text)
    return Rotate(degrees) if -360 <= degrees <= 360 else None


def flip(text: str) -> Operation | None:
    if text not in ("h", "v"):
        raise ValueError("h or v")
    return Flip(1 if text == "h" else 0)


def grayscale(text: str) -> Operation | None:
    return None if text in OFF else Grayscale()


def sharpen(text: str) -> Operation | None:
    amount = number(text)
    return Sharpen(amount) if 0 < amount <= 10 else None


def threshold(text: str) -> Operation | None:
    if text == "otsu":
        return Threshold(None)
    try:
        level = whole(text)
    except ValueError as error:
        raise ValueError("otsu or a whole number") from error
    return Threshold(level) if 0 <= level <= 255 else None


def denoise(text: str) -> Operation | None:
    strength = number(text)
    return Denoise(strength) if 0 < strength <= 100 else None


def fit(text: str) -> Operation | None:
    width, height = wholes(text, "w,h")
    return Fit(width, height) if min(width, height) >= 1 and max(width, height) <= MAX_SIDE else None


def quality(text: str) -> Operation | None:
    percent = whole(text)
    return Quality(percent) if 1 <= percent <= 100 else None


@dataclass(frozen=True)
class Row:
    """How an operation is written, and what it does."""

    value: str
    #: The values it takes; others that are well-formed skip it.
    bounds: str
    does: str
    parse: Callable[[str], Operation | None]


_SPLIT = Row(
    "v", "anything but `None`, `false`, `False`", "four quadrants; skipped when a side is under 2 pixels", split
)
OPERATIONS: Mapping[str, Row] = {
    "resize": Row("s", "0.05 < s <= 100", "both sides times s", resize),
    "splitQuadrants": _SPLIT,
    "split": _SPLIT,
    "blur": Row(
        "k", "k >= 0", "Gaussian blur, kernel k x k pixels; an even k is one more, 0 is a deviation of 1", blur
    ),
    "crop": Row(
        "x,y,w,h", "x, y >= 0; w, h >= 1", "what of the rectangle is in the picture; skipped when nothing is", crop
    ),
    "rotate": Row("degrees", "-360 to 360", "counter-clockwise, all of it kept, corners white", rotate),
    "flip": Row("h|v", "`h`, `v`", "mirrored: left and right, or top and bottom, change places", flip),
    "grayscale": Row("v", "anything but `None`, `false`, `False`", "one channel of grey", grayscale),
    "sharpen": Row("amount", "0 < amount <= 10", "unsharp mask with a deviation of 1 pixel", sharpen),
    "threshold": Row(
        "otsu|level", "`otsu`, 0 to 255", "grey, then white above the level and black elsewhere", threshold
    ),
    "denoise": Row("strength", "0 < strength <= 100", "non-local means; about a second a megapixel", denoise),
    "fit": Row("w,h", f"1 to {MAX_SIDE} each", "shrunk to fit into w x h, never enlarged", fit),
    "quality": Row("q", "1 to 100", "of JPEG and WebP files; 95 when not given", quality),
}
