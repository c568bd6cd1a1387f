"""Headers: what a picture says of itself, read without decoding a pixel."""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from spoolfarm.errors import BrokenImage, InvalidRequest, TooLarge, UnsupportedMedia
from spoolfarm.images import formats, icon, orientation, png, tiff
from spoolfarm.images.orientation import UNREADABLE

if TYPE_CHECKING:
    from PIL import ImageFile

#: The longest side a picture may have, in pixels.
MAX_SIDE = 16384
#: Bits of a pixel of which there may be as many as of others: four channels of 32.
FULL_BITS = 128
#: Boxes that are passed over in a JPEG 2000 file to find its pixels, at most.
MOST_BOXES = 1000


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


def look(file: BinaryIO, field: str, max_pixels: int, *, pdf: bool = False, exif: bool = False) -> Header:
    """Read the header of the picture in *file*, and no more of it; with *exif* also which way is up.

    Raises InvalidRequest when empty, UnsupportedMedia when it is nothing we take, BrokenImage when the header cannot be
    read, TooLarge above *max_pixels* or MAX_SIDE. With *pdf* the sender is told that a PDF would do.
    """
    from PIL.Image import DecompressionBombError

    start = file.read(formats.LONGEST_MAGIC)
    if not start:
        raise InvalidRequest(f"{field}: is empty")
    kind = _kind(start, field, pdf)
    try:
        header = _header(file, kind, max_pixels, exif)
    except DecompressionBombError as error:
        raise TooLarge(f"{field}: the {kind} header says more pixels than anybody takes") from error
    except (UnsupportedMedia, TooLarge) as error:
        raise type(error)(f"{field}: {error}") from error
    except (*UNREADABLE, BrokenImage) as error:
        raise BrokenImage(f"{field}: the {kind} header cannot be read") from error
    longest = max(header.width, header.height)
    if header.width * header.height > max_pixels or longest > MAX_SIDE:
        advice = "send a smaller picture" if longest > MAX_SIDE else "raise FARM_MAX_PIXELS or send a smaller picture"
        raise TooLarge(
            f"{field}: {header.width} x {header.height} pixels are over the limit of {max_pixels} in all and "
            f"{MAX_SIDE} a side; {advice}"
        )
    return header


def _kind(start: bytes, field: str, pdf: bool) -> str:
    kind = formats.sniff(start)
    if kind is not None and formats.readable(kind):
        return kind
    if kind is not None:
        raise UnsupportedMedia(f"{field}: {kind} is read when {formats.NEEDS[kind]}; send JPEG or PNG")
    known = ", ".join([*formats.taken(), *(["PDF"] if pdf else [])])
    what = f"; this is {other}" if (other := formats.stranger(start)) else ""
    raise UnsupportedMedia(f"{field}: is not a picture of a type we take ({known}){what}")


def _header(file: BinaryIO, kind: str, max_pixels: int, exif: bool) -> Header:
    if kind == "PNG":
        width, height = png.size(file)
        return Header(kind, width, height, turned=exif and _lies(_png_orientation(file)))
    if kind == "TIFF":
        page = tiff.first(file, tiff.HEADER)
        if objection := page.objection():
            raise UnsupportedMedia(f"is a TIFF {objection}")
        width, height = page.size()
        if width * height * page.samples * page.bits > max_pixels * FULL_BITS:
            bits = page.samples * page.bits
            raise TooLarge(f"{width} x {height} pixels of {bits} bits are too many; send 16 bits a sample")
        return Header(kind, width, height, turned=_lies(page.one(tiff.Tag.ORIENTATION, 1)))
    if kind == "ICO":
        image = icon.largest(file)
        return Header(kind, *(png.size(io.BytesIO(image.data)) if image.is_png else image.size))
    with opened(file, kind) as picture:
        width, height = picture.size
        if kind == "JPEG 2000":
            width, height = (max(pair) for pair in zip(picture.size, _jpeg2000(file), strict=True))
        return Header(kind, width, height, turned=exif and kind != "HEIC" and _lies(orientation.told(picture.info)))


def _lies(turn: int) -> bool:
    return turn in orientation.LYING


def _png_orientation(file: BinaryIO) -> int:
    parsed = png.parse(file, pixels=False)
    return orientation.of(parsed.exif, parsed.xmp)


def _jpeg2000(file: BinaryIO) -> tuple[int, int]:
    """Width and height as the codestream says, which is what is decoded: ISO/IEC 15444-1, annexes A.5.1 and I.4."""
    at = 0
    file.seek(0)
    head = file.read(4)
    for _ in range(MOST_BOXES):
        if head == b"\xff\x4f\xff\x51":
            break
        file.seek(at)
        size, name = struct.unpack(">I4s", file.read(8))
        begin = at + 8
        if size == 1:
            [size] = struct.unpack(">Q", file.read(8))
            begin += 8
        if name == b"jp2c":
            at = begin
            break
        if size < 8:
            raise BrokenImage("the JPEG 2000 has no pixels")
        at += size
    file.seek(at)
    mark, right, down, left, top = struct.unpack(">4s4x4I", file.read(24))
    if mark != b"\xff\x4f\xff\x51":
        raise BrokenImage("the JPEG 2000 has no pixels")
    return right - left, down - top


def opened(file: BinaryIO, kind: str) -> ImageFile.ImageFile:
    """Open *file* with Pillow's reader of the format *kind*, which reads the header.

    Not with Image.open: it has a limit on pixels of its own, told by a warning.
    """
    import importlib

    file.seek(0)
    if kind == "PNG":
        file = io.BytesIO(png.parse(file).data)
    module, name = READERS[kind].split(":")
    reader: type[ImageFile.ImageFile] = getattr(importlib.import_module(module), name)
    return reader(file)


#: Pillow's reader of each format.
READERS = {
    "JPEG": "PIL.JpegImagePlugin:JpegImageFile",
    "PNG": "PIL.PngImagePlugin:PngImageFile",
    "WEBP": "PIL.WebPImagePlugin:WebPImageFile",
    "BMP": "PIL.BmpImagePlugin:BmpImageFile",
    "TIFF": "PIL.TiffImagePlugin:TiffImageFile",
    "GIF": "PIL.GifImagePlugin:GifImageFile",
    "ICO": "PIL.IcoImagePlugin:IcoImageFile",
    "JPEG 2000": "PIL.Jpeg2KImagePlugin:Jpeg2KImageFile",
    "AVIF": "PIL.AvifImagePlugin:AvifImageFile",
    "HEIC": "pillow_heif:HeifImageFile",
}
