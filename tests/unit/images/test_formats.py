"""Formats and frames: what is told by its first bytes, and which way is up in every container."""

from __future__ import annotations

import base64
import io
import itertools
import struct
import sys
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps, PngImagePlugin

from spoolfarm.errors import BrokenImage, TooLarge, UnsupportedMedia
from spoolfarm.images import MAX_SIDE, check, decode, look, sniff
from spoolfarm.images.png import chunk

LIMIT = 50_000_000
#: Containers, with what makes them keep colours.
CONTAINERS: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 100, "subsampling": 0},
    "PNG": {},
    "WEBP": {"lossless": True},
    "TIFF": {},
    "AVIF": {"quality": 100, "subsampling": "4:4:4"},
    "JPEG2000": {"irreversible": False},
    "BMP": {},
    "GIF": {},
    "ICO": {"bitmap_format": "bmp"},
}
SIDES = (40, 24)


def scene(mode: str = "RGB") -> Image.Image:
    """A picture of which no turn looks like another, drawn in squares that lossy formats keep."""
    squares = np.array([[[220, 30, 40], [30, 200, 60], [40, 60, 220]], [[250, 250, 250], [90, 90, 90], [230, 220, 20]]])
    picture = Image.fromarray(squares.astype(np.uint8)).resize(SIDES, Image.Resampling.NEAREST)
    if mode.endswith("A"):
        picture.putalpha(Image.linear_gradient("L").resize(SIDES).point(lambda value: 128 + value // 2))
    return picture.convert(mode, dither=Image.Dither.NONE)


def encoded(picture: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def on_white(picture: Image.Image) -> Any:
    over = picture.convert("RGBA")
    return np.asarray(Image.alpha_composite(Image.new("RGBA", over.size, "white"), over).convert("RGB"))[..., ::-1]


def exif(orientation: int, order: str = "<") -> bytes:
    """An EXIF block without a prefix."""
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    return head + struct.pack(order + "HHHIHHI", 1, 0x0112, 3, 1, orientation, 0, 0)


def assert_like(picture: Any, expected: Any, tolerance: int, what: object) -> None:
    assert picture.shape == expected.shape, what
    difference = np.abs(picture.astype(int) - expected)
    assert np.percentile(difference, 95) <= tolerance, what


#: What Pillow writes into each.
MODES = {
    "JPEG": ["1", "L", "RGB", "CMYK"],
    "PNG": ["1", "L", "LA", "P", "RGB", "RGBA"],
    "WEBP": ["L", "LA", "P", "RGB", "RGBA"],
    "TIFF": ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK"],
    "AVIF": ["L", "LA", "RGB", "RGBA"],
    "JPEG2000": ["L", "LA", "RGB", "RGBA", "CMYK"],
    "BMP": ["1", "L", "P", "RGB", "RGBA"],
    "GIF": ["1", "L", "LA", "P", "RGB", "RGBA"],
    "ICO": ["1", "L", "P", "RGB", "RGBA"],
}


@pytest.mark.parametrize(("kind", "mode"), [(kind, mode) for kind, modes in MODES.items() for mode in modes])
def test_every_container_in_every_mode_comes_out_as_pillow_sees_it(kind: str, mode: str) -> None:
    data = encoded(scene(mode), kind, **({"sizes": [SIDES]} if kind == "ICO" else {}), **CONTAINERS[kind])
    with Image.open(io.BytesIO(data)) as found:
        expected = on_white(found)
        assert check(data, "image", LIMIT).upright == found.size
    assert_like(decode(data), expected, 3, (kind, mode))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P"])
def test_orientation_is_seen_in_every_container(orientation: int, kind: str, mode: str) -> None:
    mode = mode if mode in MODES[kind] else "RGB"
    options = {"tiffinfo": {274: orientation}} if kind == "TIFF" else {"exif": b"Exif\0\0" + exif(orientation)}
    data = encoded(scene(mode), kind, **CONTAINERS[kind], **options)
    with Image.open(io.BytesIO(data)) as found:
        expected = on_white(ImageOps.exif_transpose(found))
    assert_like(decode(data), expected, 3, (kind, mode))
    size = look(io.BytesIO(data), "image", LIMIT, exif=True).upright
    assert size == expected.shape[1::-1]


@pytest.mark.parametrize("orientation", [3, 5, 6, 8])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("prefix", [b"", b"Exif\0\0"])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_exif_may_begin_with_its_name_or_not(orientation: int, order: str, prefix: bytes, mode: str) -> None:
    block = prefix + exif(orientation, order)
    webp = encoded(scene(mode), "WEBP", lossless=True, exif=exif(1))
    at = webp.index(b"EXIF")
    body = webp[12:at] + b"EXIF" + struct.pack("<I", len(block)) + block + b"\0" * (len(block) % 2)
    png = with_chunks(encoded(scene(mode), "PNG"), chunk(b"eXIf", block))
    expected = on_white(ImageOps.exif_transpose(tagged(scene(mode), orientation)))
    for data in (b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body, png):
        assert_like(decode(data), expected, 2, data[:4])


def tagged(picture: Image.Image, orientation: int) -> Image.Image:
    picture.getexif()[0x0112] = orientation
    return picture


def with_chunks(png: bytes, *chunks: bytes, before: bytes = b"IDAT") -> bytes:
    at = png.index(before) - 4
    return png[:at] + b"".join(chunks) + png[at:]


def raw_profile(block: bytes) -> bytes:
    """EXIF in a text, as ImageMagick writes it."""
    return b"\nexif\n%8d\n" % len(block) + block.hex().encode() + b"\n"


@pytest.mark.parametrize("keyword", [b"Raw profile type exif", b"Raw profile type APP1"])
@pytest.mark.parametrize("form", ["tEXt", "zTXt", "iTXt", "packed iTXt"])
@pytest.mark.parametrize("before", [b"IDAT", b"IEND"])
def test_a_png_may_hold_its_exif_in_a_text(keyword: bytes, form: str, before: bytes) -> None:
    text = raw_profile(b"Exif\0\0" + exif(6))
    held = {
        "tEXt": chunk(b"tEXt", keyword + b"\0" + text),
        "zTXt": chunk(b"zTXt", keyword + b"\0\0" + zlib.compress(text)),
        "iTXt": chunk(b"iTXt", keyword + b"\0\0\0\0\0" + text),
        "packed iTXt": chunk(b"iTXt", keyword + b"\0\1\0\0\0" + zlib.compress(text)),
    }[form]
    for mode in ("RGB", "RGBA"):
        data = with_chunks(encoded(scene(mode), "PNG"), held, before=before)
        assert_like(decode(data), on_white(ImageOps.exif_transpose(tagged(scene(mode), 6))), 0, form)
        assert look(io.BytesIO(data), "image", LIMIT, exif=True).upright == SIDES[::-1]


@pytest.mark.parametrize("value", ['="8"', "='8'", ' = "8"', ">8<", "> 8 <"])
def test_where_exif_says_nothing_xmp_may(value: str) -> None:
    said = f"<rdf:Description tiff:Orientation{value}/>".encode()
    png = with_chunks(encoded(scene(), "PNG"), chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + said))
    for data in (encoded(scene(), "JPEG", quality=100, xmp=said), png):
        assert decode(data).shape[:2] == SIDES
    assert decode(encoded(scene(), "JPEG", xmp=said, exif=b"Exif\0\0" + exif(1))).shape[:2] == SIDES[::-1]


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # Pillow looks for the resolution there
def test_broken_exif_is_no_reason_to_refuse() -> None:
    for block in (
        b"",
        b"Exif\0\0",
        b"II*\0\xff\xff\xff\xff",
        b"MM\0*\0\0\0\x08\xff\xff",
        b"nonsense" * 9,
        exif(0),
        exif(9),
    ):
        png = with_chunks(encoded(scene(), "PNG"), chunk(b"eXIf", block))
        for data in (png, encoded(scene(), "WEBP", lossless=True, exif=block), encoded(scene(), "JPEG", exif=block)):
            assert decode(data).shape[:2] == SIDES[::-1]


# PNG.


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "I;16"])
def test_what_a_png_holds_beside_its_pixels_is_no_reason_to_refuse_it(mode: str) -> None:
    picture = scene().convert("L").convert("I").point(lambda value: value * 257).convert("I;16")
    plain = encoded(picture if mode == "I;16" else scene(mode), "PNG")
    wrong = chunk(b"tEXt", b"Comment\0scan")[:-4] + b"\0\0\0\0"
    texts = [chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(5_000_000)))] * 20
    profile = chunk(b"iCCP", b"huge\0\0" + zlib.compress(bytes(20_000_000)))
    for extra in ([wrong], texts, [profile], [chunk(b"iCCP", b"x\0\0no zlib")], [wrong, chunk(b"abCd", b"private")]):
        data = with_chunks(plain, *extra, before=b"IDAT")
        assert check(data, "image", LIMIT).width == SIDES[0]
        assert (decode(data) == decode(plain)).all()
    assert (decode(plain[:-12]) == decode(plain)).all()  # without its last chunk
    assert (decode(plain + b"more") == decode(plain)).all()


def test_a_wrong_checksum_of_pixels_is_damage() -> None:
    plain = bytearray(encoded(scene(), "PNG"))
    plain[plain.index(b"IEND") - 5] ^= 1
    with pytest.raises(BrokenImage):
        decode(bytes(plain))


@pytest.mark.parametrize(("depth", "colours"), [(1, 1), (2, 1), (4, 1), (8, 1), (16, 1), (8, 3), (16, 3)])
@pytest.mark.parametrize("clear", [False, True])
def test_a_png_of_any_depth_with_one_clear_colour(depth: int, colours: int, clear: bool) -> None:
    top = 2**depth - 1
    values = np.random.default_rng(depth).integers(0, top + 1, (11, 13, colours))
    values[3, 4], values[0, 0] = values[5, 6], 0
    flags = (values.reshape(11, -1, 1) >> np.arange(depth - 1, -1, -1)) & 1
    rows = np.packbits(flags.reshape(11, -1).astype(np.uint8), axis=1)
    data = PngImagePlugin._MAGIC + chunk(
        b"IHDR", struct.pack(">IIBBBBB", 13, 11, depth, 0 if colours == 1 else 2, 0, 0, 0)
    )
    if clear:
        data += chunk(b"tRNS", struct.pack(f">{colours}H", *values[5, 6]))
    data += chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))) + chunk(b"IEND", b"")
    expected = np.rint(np.broadcast_to(values, (11, 13, 3)) * (255 / top)).astype(int)[..., ::-1].copy()
    picture = decode(data)
    if clear:
        gone = (values == values[5, 6]).all(-1)
        ground = picture[5, 6, 0]
        assert ground in (0, 255)
        expected[gone] = ground
        assert gone[3, 4]
    assert (picture == expected).all()


@pytest.mark.parametrize("colours", [2, 4])
def test_a_png_of_16_bits_with_alpha(colours: int) -> None:
    values = np.random.default_rng(1).integers(0, 65536, (11, 13, colours))
    rows = [b"\0" + row.astype(">u2").tobytes() for row in values]
    data = PngImagePlugin._MAGIC + chunk(b"IHDR", struct.pack(">IIBBBBB", 13, 11, 16, 2 + colours, 0, 0, 0))
    data += chunk(b"IDAT", zlib.compress(b"".join(rows))) + chunk(b"IEND", b"")
    alpha = values[..., -1:] / 65535
    expected = (values[..., :-1] / 257 * alpha + 255 * (1 - alpha))[..., ::-1]
    assert np.abs(decode(data) - np.broadcast_to(expected, (11, 13, 3))).max() <= 2


# Bitmaps.


@pytest.mark.parametrize("alpha", [0, 255])
@pytest.mark.parametrize("top_down", [False, True])
def test_a_bitmap_whose_fourth_byte_is_nothing_is_opaque(alpha: int, top_down: bool) -> None:
    pixels = np.dstack([np.asarray(scene())[..., ::-1], np.full(SIDES[::-1], alpha, np.uint8)])
    rows = pixels if top_down else pixels[::-1]
    masks = struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000) + bytes(52)
    height = -SIDES[1] if top_down else SIDES[1]
    head = struct.pack("<IiiHHIIiiII", 108, SIDES[0], height, 1, 32, 3, rows.size, 2835, 2835, 0, 0) + masks
    data = struct.pack("<2sIHHI", b"BM", 14 + len(head) + rows.size, 0, 0, 14 + len(head)) + head + rows.tobytes()
    assert (decode(data) == np.asarray(scene())[..., ::-1]).all()


def icon(*pictures: tuple[int, bytes]) -> bytes:
    """An icon of pictures, each with the side that the table says."""
    rows, at = [], 6 + 16 * len(pictures)
    for side, data in pictures:
        rows.append(struct.pack("<BBBBHHII", side, side, 0, 0, 1, 32, len(data), at))
        at += len(data)
    return struct.pack("<HHH", 0, 1, len(pictures)) + b"".join(rows) + b"".join(data for _, data in pictures)


def test_of_an_icon_the_largest_picture_is_taken() -> None:
    small = encoded(Image.new("RGB", (8, 8)), "PNG")
    data = icon((8, small), (24, encoded(scene(), "PNG")))
    assert (decode(data) == np.asarray(scene())[..., ::-1]).all()
    assert check(data, "image", LIMIT).upright == SIDES


def test_an_icon_is_as_large_as_what_is_in_it_and_not_as_its_table_says() -> None:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0))
    with pytest.raises(TooLarge, match="60000"):
        check(icon((16, PngImagePlugin._MAGIC + head + bytes(64))), "image", LIMIT)
    bitmap = struct.pack("<IiiHHIIiiII", 40, 50_000, 100_000, 1, 32, 0, 0, 0, 0, 0, 0)
    with pytest.raises(TooLarge, match="50000"):
        check(icon((16, bitmap)), "image", LIMIT)


# Others.


def test_a_jpeg_2000_is_as_large_as_its_pixels_and_not_as_its_box_says() -> None:
    data = bytearray(encoded(scene(), "JPEG2000"))
    at = data.index(b"\xff\x4f\xff\x51") + 8
    struct.pack_into(">II", data, at, MAX_SIDE * 4, MAX_SIDE * 4)
    with pytest.raises(TooLarge):
        check(bytes(data), "image", LIMIT)
    stream = encoded(scene(), "JPEG2000", no_jp2=True, irreversible=False)
    assert sniff(stream) == "JPEG 2000"
    assert_like(decode(stream), np.asarray(scene())[..., ::-1], 1, "codestream")


@pytest.mark.parametrize("bits", [8, 16])
def test_grey_jpeg_2000_of_any_depth(bits: int) -> None:
    grey = np.asarray(scene("L")).astype(np.uint16 if bits == 16 else np.uint8) * (257 if bits == 16 else 1)
    data = encoded(Image.fromarray(grey), "JPEG2000", irreversible=False)
    assert (decode(data)[..., 0] == np.asarray(scene("L"))).all()


@pytest.mark.parametrize("kind", ["AVIF", "JPEG2000", "ICO", "WEBP", "GIF", "BMP", "JPEG"])
def test_a_damaged_picture_is_an_error_of_ours_or_a_picture(kind: str) -> None:
    plain = np.frombuffer(encoded(scene(), kind), np.uint8)
    for seed, cut in itertools.product(range(30), (1, 2)):
        random = np.random.default_rng(seed)
        data = plain[: len(plain) // cut].copy()
        places = random.integers(0, len(data), 6)
        data[places] = random.integers(0, 256, 6)
        try:
            check(data.tobytes(), "image", 1_000_000)
            decode(data.tobytes())
        except (BrokenImage, UnsupportedMedia, TooLarge):
            pass


def test_heic_is_read_when_its_reader_is_installed() -> None:
    heif = pytest.importorskip("pillow_heif")
    for orientation in (1, 6):
        file = io.BytesIO()
        picture = tagged(scene(), orientation)
        heif.from_pillow(scene()).save(file, quality=100, chroma=444, exif=b"Exif\0\0" + exif(orientation))
        data = file.getvalue()
        assert sniff(data) == "HEIC"
        expected = np.asarray(ImageOps.exif_transpose(picture))[..., ::-1]
        assert_like(decode(data), expected, 4, orientation)
        assert check(data, "image", LIMIT).upright == expected.shape[1::-1]


def ftyp(*brands: bytes) -> bytes:
    return struct.pack(">I", 12 + 4 * len(brands)) + b"ftyp" + brands[0] + bytes(4) + b"".join(brands[1:]) + bytes(64)


def test_what_needs_a_library_that_is_not_there_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    for data in (ftyp(b"heic", b"mif1"), ftyp(b"mif1", b"miaf", b"heic"), ftyp(b"msf1", b"hevc")):
        with pytest.raises(
            UnsupportedMedia, match="image: HEIC is read when pillow-heif is installed; send JPEG or PNG"
        ):
            check(data, "image", LIMIT)
        with pytest.raises(BrokenImage):
            decode(data)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"%PDF-1.7", "a PDF"),
        (b"\xff\x0a....", "JPEG XL"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
        (b"8BPS\0\1", "a Photoshop document"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (b"PK\3\4....", "a ZIP archive"),
        (ftyp(b"isom", b"mp42"), "a video"),
        (b"\0\0\2\0\1\0", "a cursor"),
        (bytes(128) + b"DICM", "DICOM"),
        (b"RIFF....AVI LIST", "a video"),
        (b"P5\n9 9\n255\n", "Netpbm"),
        (b"\xef\xbb\xbf\r\n <!DOCTYPE html>", "a web page"),
        (base64.b64encode(encoded(scene(), "PNG")), "base64"),
        (b"data:image/png;base64,iVBORw0KGgo", "a data URI"),
        *((encoded(scene(), kind), kind) for kind in ("TGA", "PCX", "SGI", "DDS")),
        *((encoded(scene("L"), kind), kind) for kind in ("TGA", "PCX", "SGI")),
        (encoded(scene("P"), "TGA"), "TGA"),
        (encoded(scene(), "TGA", compression="tga_rle"), "TGA"),
    ],
)
def test_what_is_known_and_not_taken_is_called_by_its_name(data: bytes, name: str) -> None:
    assert sniff(data) is None
    with pytest.raises(UnsupportedMedia, match=f"not a picture of a type we take .*; this is {name}"):
        check(data, "image", LIMIT)
