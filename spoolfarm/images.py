"""Pictures: base64 in the client's own way to bytes, a size check that reads only the header, and the one decoder."""

from __future__ import annotations

import io
import os
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias

from spoolfarm.errors import BrokenImage, InvalidRequest, TooLarge, UnsupportedMedia

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image, ImageFile

    #: What a picture may be given as: a path, its encoded bytes, or an array (height, width[, 3]) in BGR order.
    Picture: TypeAlias = str | os.PathLike[str] | bytes | bytearray | memoryview | np.ndarray[Any, Any]

#: What a picture file begins with, by its format's name in Pillow. RIFF containers are WebP when bytes 8 to 12 say so.
MAGIC = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"RIFF": "WEBP",
    b"BM": "BMP",
    b"II*\x00": "TIFF",
    b"MM\x00*": "TIFF",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
}
#: Bytes after which the format is known.
LONGEST_MAGIC = 12
#: What an array may have behind its height and width: nothing, one channel, three, or three and their opacity.
CHANNELS = ((), (1,), (3,), (4,))
#: The longest side a picture may have, in pixels.
MAX_SIDE = 16384

_DATA_URI = re.compile(r"\s*data:[^,]{0,200};base64,", re.IGNORECASE)
#: What Pillow raises for pictures that are not what they say.
UNREADABLE = (OSError, SyntaxError, ValueError, TypeError, LookupError, EOFError, OverflowError, struct.error)
#: The EXIF tag that says which way is up.
_ORIENTATION = 0x0112
_URL_SAFE = str.maketrans("-_", "+/")


@dataclass(frozen=True, slots=True)
class Header:
    """What the first bytes of a picture say: its format, and its width and height in pixels as stored."""

    format: str
    width: int
    height: int
    #: Whether the picture lies on its side, as EXIF says; only known when `look` was asked for it.
    turned: bool = False

    @property
    def upright(self) -> tuple[int, int]:
        """Width and height as `decode` gives them."""
        return (self.height, self.width) if self.turned else (self.width, self.height)


def encoded(picture: Picture) -> bytes:
    """The encoded bytes of a picture; an array becomes a PNG. Raises OSError, or InvalidRequest for what is none."""
    if isinstance(picture, bytes):
        return picture
    if isinstance(picture, (bytearray, memoryview)):
        return bytes(picture)
    if isinstance(picture, (str, os.PathLike)):
        return Path(picture).read_bytes()
    dtype, shape = str(getattr(picture, "dtype", "")), tuple(getattr(picture, "shape", ()))
    if not dtype:
        kind = type(picture).__name__
        raise InvalidRequest(f"image: is given as bytes, a path or an array, not as an object of type {kind}")
    if dtype not in ("uint8", "uint16") or not 2 <= len(shape) <= 3 or 0 in shape or shape[2:] not in CHANNELS:
        raise InvalidRequest(
            f"image: an array is (height, width) or (height, width, 3) of uint8 or uint16, not {shape} of {dtype}"
        )
    import cv2

    return cv2.imencode(".png", picture)[1].tobytes()


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


def sniff(data: bytes) -> str | None:
    """The picture format that the magic bytes of *data* name, or None."""
    for magic, name in MAGIC.items():
        if data.startswith(magic) and (name != "WEBP" or data[8:12] == b"WEBP"):
            return name
    return None


def is_pdf(data: bytes) -> bool:
    """Whether *data* begins like a PDF; a little of something else may stand before it."""
    return b"%PDF-" in data[:1024] and sniff(data) is None


def check(data: bytes, field: str, max_pixels: int, *, pdf: bool = False) -> Header:
    """The header of the picture *data*; see `look`."""
    return look(io.BytesIO(data), field, max_pixels, pdf=pdf)


def look(file: BinaryIO, field: str, max_pixels: int, *, pdf: bool = False, exif: bool = False) -> Header:
    """Read the header of the picture in *file*, and no more of it; with *exif* also which way is up.

    Raises InvalidRequest when empty, UnsupportedMedia when the magic bytes are none we take, BrokenImage when the
    header cannot be read, TooLarge above *max_pixels* or MAX_SIDE. With *pdf* the sender is told that a PDF would do.
    """
    from PIL.Image import DecompressionBombError

    start = file.read(LONGEST_MAGIC)
    if not start:
        raise InvalidRequest(f"{field}: is empty")
    kind = sniff(start)
    if kind is None:
        known = ", ".join([*dict.fromkeys(MAGIC.values()), *(["PDF"] if pdf else [])])
        raise UnsupportedMedia(f"{field}: is not a picture of a type we take ({known})")
    try:
        with opened(file, kind) as picture:
            header = Header(kind, *picture.size, turned=exif and _lies(picture))
    except DecompressionBombError as error:
        raise TooLarge(f"{field}: the {kind} header says more pixels than anybody takes") from error
    except UNREADABLE as error:
        raise BrokenImage(f"{field}: the {kind} header cannot be read") from error
    if header.width * header.height > max_pixels or max(header.width, header.height) > MAX_SIDE:
        raise TooLarge(
            f"{field}: {header.width} x {header.height} pixels are over the limit of {max_pixels} in all and "
            f"{MAX_SIDE} a side; raise FARM_MAX_PIXELS or send a smaller picture"
        )
    return header


def _lies(picture: ImageFile.ImageFile) -> bool:
    try:
        return picture.getexif().get(_ORIENTATION) in (5, 6, 7, 8)
    except UNREADABLE:
        return False


def decode(data: bytes) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Decode *data* to (height, width, 3) uint8 in BGR order, upright by its EXIF orientation.

    16-bit samples are divided by 257; transparent parts come out white; of a TIFF the first page is taken, of a GIF
    the first frame. Raises BrokenImage.
    """
    import cv2
    import numpy as np

    kind = sniff(data)
    if kind is None:
        raise BrokenImage("the bytes are no picture of a type we take")
    if (rgb := None if kind == "JPEG" else _on_white(data, kind)) is not None:
        return cv2.cvtColor(np.asarray(rgb), cv2.COLOR_RGB2BGR).astype(np.uint8, copy=False)
    # What is wrong with a picture is told to its sender, not to the log.
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    except cv2.error as error:
        raise BrokenImage("the picture cannot be decoded") from error
    if picture is None:
        raise BrokenImage("the picture is damaged or cut short")
    if picture.dtype == np.uint16:
        picture = cv2.convertScaleAbs(picture, alpha=1 / 257)
    if picture.dtype != np.uint8:
        raise BrokenImage(f"samples of type {picture.dtype} are not taken; send 8 or 16 bits")
    return picture.astype(np.uint8, copy=False)


def _on_white(data: bytes, kind: str) -> Image.Image | None:
    """The picture on white paper, upright, when it has transparent parts, which OpenCV would leave out; else None."""
    from PIL import Image, ImageOps

    try:
        with opened(io.BytesIO(data), kind) as picture:
            if not picture.has_transparency_data or picture.mode.startswith("I"):
                return None  # of 16-bit grey Pillow can keep the depth or the transparency, not both
            upright = ImageOps.exif_transpose(picture).convert("RGBA")
    except (*UNREADABLE, Image.DecompressionBombError) as error:
        raise BrokenImage("the picture is damaged or cut short") from error
    return Image.alpha_composite(Image.new("RGBA", upright.size, "white"), upright).convert("RGB")


def opened(file: BinaryIO, kind: str) -> ImageFile.ImageFile:
    """Open *file* with Pillow's reader of the format *kind*, which reads the header.

    Not with Image.open: it has a limit on pixels of its own, told by a warning.
    """
    from PIL import BmpImagePlugin, GifImagePlugin, JpegImagePlugin, PngImagePlugin, TiffImagePlugin, WebPImagePlugin

    readers: dict[str, type[ImageFile.ImageFile]] = {
        "JPEG": JpegImagePlugin.JpegImageFile,
        "PNG": PngImagePlugin.PngImageFile,
        "WEBP": WebPImagePlugin.WebPImageFile,
        "BMP": BmpImagePlugin.BmpImageFile,
        "TIFF": TiffImagePlugin.TiffImageFile,
        "GIF": GifImagePlugin.GifImageFile,
    }
    file.seek(0)
    return readers[kind](file)
