"""Embedding: a picture as an image of a PDF, every pixel as it was."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import pikepdf
from pikepdf import Array, Dictionary, Name
from PIL import Image, ImageFile, ImageOps, TiffImagePlugin

from spoolfarm import images
from spoolfarm.errors import BrokenImage

#: The longer side, in points, of a page whose picture does not say how large it is: A4.
LONGER_SIDE = 842.0
#: Dots per inch that a picture may say of itself and be believed, but for what programs write that know none.
BELIEVED = (50, 2400)
DEFAULT = 72
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
#: TIFF's tags for what a pixel of 0 is, the order of the bits in a byte, and where the pixels lie, in how many bytes.
PHOTOMETRIC, FILL_ORDER, STRIPS, STRIP_SIZES = 262, 266, 273, 279
#: Pillow's name for the fax code of TIFF that PDF has too: ITU-T T.6, group 4.
FAX = "group4"
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
    data = _openable(data)
    try:
        with images.opened(io.BytesIO(data), images.sniff(data) or "") as opened:
            turn = int(opened.getexif().get(images.ORIENTATION, 1))
            turn = turn if turn in TURNS else 1
            across, down = (72 / said for said in ((dpi, dpi) if dpi else _dpi(opened)))
            if images.sniff(data) == "JPEG":
                image = _jpeg(pdf, data, opened)
            elif turn == 1 and opened.mode == "1" and opened.info.get("compression") == FAX:
                image = _fax(pdf, data if _is_one_strip(opened) else _as_one_strip(opened))
            else:
                image = _png(pdf, data if turn == 1 and _plain(data) else _as_png(data, opened))
    except (*images.UNREADABLE, KeyError) as error:
        raise BrokenImage("the picture is damaged or cut short") from error
    size = int(image.Width), int(image.Height)
    if turn >= 5:  # what it says of its sides, it says of them as they are stored
        across, down = down, across
        size = size[::-1] if images.sniff(data) == "JPEG" else size
    if images.sniff(data) != "JPEG":
        turn = 1
    width, height = size[0] * across, size[1] * down
    a, b, c, d, e, f = TURNS[turn]
    return Shown(image, width, height, (a * width, b * height, c * width, d * height, e * width, f * height))


def _dpi(opened: ImageFile.ImageFile) -> tuple[float, float]:
    """Dots per inch across and down, as the picture says, or as for A4."""
    across, down = (float(said) for said in opened.info.get("dpi", (0, 0)))
    believed = all(BELIEVED[0] <= said <= BELIEVED[1] for said in (across, down))
    if believed and not round(across) == round(down) == DEFAULT:
        return across, down
    return (72 * max(opened.size) / LONGER_SIDE,) * 2


def _jpeg(pdf: pikepdf.Pdf, data: bytes, opened: ImageFile.ImageFile) -> pikepdf.Object:
    image = _image(pdf, data, opened.width, opened.height, 8)
    image.ColorSpace = SPACES[opened.mode]
    if profile := opened.info.get("icc_profile"):
        image.ColorSpace = Array([Name.ICCBased, pdf.make_stream(profile, N=len(opened.getbands()))])
    if opened.mode == "CMYK" and "adobe" in opened.info:
        image.Decode = Array([1, 0] * 4)  # Adobe writes ink as its absence
    image.Filter = Name.DCTDecode
    return image


def _is_one_strip(opened: ImageFile.ImageFile) -> bool:
    """Whether the fax code of a TIFF lies in one piece, which a PDF takes as it is."""
    tags = opened.tag_v2  # type: ignore[attr-defined]  # a TIFF has it
    return len(tags.get(STRIPS, ())) == 1 and tags.get(FILL_ORDER, 1) == 1


def _as_one_strip(opened: ImageFile.ImageFile) -> bytes:
    """The black and white picture as a TIFF whose fax code lies in one piece."""
    bare = Image.frombytes(opened.mode, opened.size, opened.tobytes())  # without tags, which libtiff may choke on
    file = io.BytesIO()
    bare.save(file, "TIFF", compression=FAX, strip_size=len(bare.tobytes()))
    return file.getvalue()


def _fax(pdf: pikepdf.Pdf, tiff: bytes) -> pikepdf.Object:
    """The fax code of a TIFF of one strip."""
    with TiffImagePlugin.TiffImageFile(io.BytesIO(tiff)) as opened:
        tags = opened.tag_v2
        [start], [size] = tags[STRIPS], tags[STRIP_SIZES]
        image = _image(pdf, tiff[start : start + size], opened.width, opened.height, 1)
        image.DecodeParms = Dictionary(
            K=-1, Columns=opened.width, Rows=opened.height, BlackIs1=tags.get(PHOTOMETRIC) == 1
        )
    image.ColorSpace = Name.DeviceGray
    image.Filter = Name.CCITTFaxDecode
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
    """Whether *data* is a PNG whose pixels a PDF takes as they are: opaque, not interlaced, without a profile."""
    if images.sniff(data) != "PNG":
        return False
    chunks = dict(_chunks(data))
    *_, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    return (
        colour in (GREY, COLOURS, PALETTE) and depth <= 8 and not interlaced and not {b"tRNS", b"iCCP"} & chunks.keys()
    )


def _openable(data: bytes) -> bytes:
    """The picture itself when Pillow opens it, else a PNG of what the farm decodes. Raises BrokenImage."""
    try:
        images.opened(io.BytesIO(data), images.sniff(data) or "").close()
    except (*images.UNREADABLE, KeyError):
        return _png_of(Image.fromarray(images.decode(data)[..., ::-1]))
    return data


def _as_png(data: bytes, opened: ImageFile.ImageFile) -> bytes:
    """The picture upright, opaque and in sRGB, as a PNG; what has no colours has one sample a pixel."""
    plain = opened.mode in ("1", "L", "P") or (opened.mode == "RGB" and images.sniff(data) != "TIFF")
    if plain and not opened.has_transparency_data and not _has_profile(data, opened):  # Pillow sees what the farm sees
        return _png_of(ImageOps.exif_transpose(opened))
    decoded = Image.fromarray(images.decode(data)[..., ::-1])
    return _png_of(decoded.convert("L") if opened.mode in ("I", "F", "LA") or opened.mode.startswith("I;") else decoded)


def _has_profile(data: bytes, opened: ImageFile.ImageFile) -> bool:
    return "icc_profile" in opened.info or (images.sniff(data) == "PNG" and b"iCCP" in dict(_chunks(data)))


def _png_of(upright: Image.Image) -> bytes:
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
