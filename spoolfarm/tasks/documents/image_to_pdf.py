"""Embedding: a picture as an image of a PDF, every pixel as it was."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import pikepdf
from pikepdf import Array, Dictionary, Name
from PIL import Image, ImageFile, ImageOps

from spoolfarm import images
from spoolfarm.errors import BrokenImage

#: The longer side, in points, of a page whose picture does not say how large it is: A4.
LONGER_SIDE = 842.0
#: Dots per inch that a picture may say of itself and be believed.
BELIEVED = (50, 2400)
#: From the square of an image to a page of size 1, by EXIF's orientation.
TURNS = {
    1: (1, 0, 0, 1, 0, 0),
    2: (-1, 0, 0, 1, 1, 0),
    3: (-1, 0, 0, -1, 1, 1),
    4: (1, 0, 0, -1, 0, 1),
    5: (0, -1, -1, 0, 1, 1),
    6: (0, -1, 1, 0, 0, 1),
    7: (0, 1, 1, 0, 0, 0),
    8: (0, 1, -1, 0, 1, 0),
}
#: The colour spaces of JPEG, by Pillow's names for what is in it.
SPACES = {"L": Name.DeviceGray, "RGB": Name.DeviceRGB, "CMYK": Name.DeviceCMYK}
#: The kinds of colour in a PNG that a PDF takes as they are: grey, three colours, and a palette.
GREY, COLOURS, PALETTE = 0, 2, 3


@dataclass(frozen=True, slots=True)
class Shown:
    """An image, the page it fills, in points, and the matrix that puts it there."""

    image: pikepdf.Object
    width: float
    height: float
    matrix: tuple[float, float, float, float, float, float]


def picture(pdf: pikepdf.Pdf, data: bytes, dpi: float | None) -> Shown:
    """Add the picture *data* to *pdf*. Raises BrokenImage."""
    try:
        with images.opened(io.BytesIO(data), images.sniff(data) or "") as opened:
            turn = int(opened.getexif().get(images.ORIENTATION, 1))
            turn = turn if turn in TURNS else 1
            points = 72 / (dpi or _dpi(opened))
            if images.sniff(data) == "JPEG":
                image = _jpeg(pdf, data, opened)
            else:
                image = _png(pdf, data if turn == 1 and _plain(data) else _as_png(opened))
    except (*images.UNREADABLE, KeyError) as error:
        raise BrokenImage("the picture is damaged or cut short") from error
    if images.sniff(data) != "JPEG":
        turn = 1
    across, down = (int(image.Width), int(image.Height)) if turn < 5 else (int(image.Height), int(image.Width))
    width, height = across * points, down * points
    a, b, c, d, e, f = TURNS[turn]
    return Shown(image, width, height, (a * width, b * height, c * width, d * height, e * width, f * height))


def _dpi(opened: ImageFile.ImageFile) -> float:
    said = opened.info.get("dpi", (0, 0))[0]
    return float(said) if BELIEVED[0] <= said <= BELIEVED[1] else 72 * max(opened.size) / LONGER_SIDE


def _jpeg(pdf: pikepdf.Pdf, data: bytes, opened: ImageFile.ImageFile) -> pikepdf.Object:
    image = _image(pdf, data, opened.width, opened.height, 8)
    image.ColorSpace = SPACES[opened.mode]
    if profile := opened.info.get("icc_profile"):
        image.ColorSpace = Array([Name.ICCBased, pdf.make_stream(profile, N=len(opened.getbands()))])
    if opened.mode == "CMYK" and "adobe" in opened.info:
        image.Decode = Array([1, 0] * 4)  # Adobe writes ink as its absence
    image.Filter = Name.DCTDecode
    return image


def _png(pdf: pikepdf.Pdf, png: bytes) -> pikepdf.Object:
    """The pixels of a PNG, compressed as they are: PDF knows PNG's filters."""
    chunks = list(_chunks(png))
    width, height, depth, colour = struct.unpack(">IIBB", dict(chunks)[b"IHDR"][:10])
    image = _image(pdf, b"".join(data for name, data in chunks if name == b"IDAT"), width, height, depth)
    image.ColorSpace = Name.DeviceRGB if colour == COLOURS else Name.DeviceGray
    if colour == PALETTE:
        palette = dict(chunks)[b"PLTE"]
        image.ColorSpace = Array([Name.Indexed, Name.DeviceRGB, len(palette) // 3 - 1, pikepdf.String(palette)])
    image.Filter = Name.FlateDecode
    image.DecodeParms = Dictionary(
        Predictor=15, Colors=3 if colour == COLOURS else 1, BitsPerComponent=depth, Columns=width
    )
    return image


def _image(pdf: pikepdf.Pdf, data: bytes, width: int, height: int, depth: int) -> pikepdf.Object:
    size = {"Width": width, "Height": height, "BitsPerComponent": depth}
    return pdf.make_stream(data, Type=Name.XObject, Subtype=Name.Image, **size)


def _plain(data: bytes) -> bool:
    """Whether *data* is a PNG whose pixels a PDF takes as they are: nothing transparent, nothing interlaced."""
    if images.sniff(data) != "PNG":
        return False
    chunks = dict(_chunks(data))
    *_, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    return colour in (GREY, COLOURS, PALETTE) and depth <= 8 and not interlaced and b"tRNS" not in chunks


def _as_png(opened: ImageFile.ImageFile) -> bytes:
    """The picture upright, on white paper, as a PNG."""
    upright: Image.Image = ImageOps.exif_transpose(opened)
    if upright.has_transparency_data:
        over = upright.convert("RGBA")
        upright = Image.alpha_composite(Image.new("RGBA", over.size, "white"), over).convert("RGB")
    if upright.mode.startswith("I"):
        upright = upright.convert("I").point(lambda value: value / 257).convert("L")
    elif upright.mode not in ("1", "L", "P", "RGB"):
        upright = upright.convert("RGB")
    file = io.BytesIO()
    upright.save(file, "PNG", compress_level=6)
    return file.getvalue()


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The chunks of a PNG by name: https://www.w3.org/TR/png-3/#5Chunk-layout."""
    at = 8
    while at + 8 <= len(png):
        [size] = struct.unpack(">I", png[at : at + 4])
        yield png[at + 4 : at + 8], png[at + 8 : at + 8 + size]
        at += size + 12
