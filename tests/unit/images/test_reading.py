"""Pictures: base64 as clients send it, sizes from headers, and the one decoder."""

from __future__ import annotations

import base64
import io
import struct
import subprocess
import sys
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

from spoolfarm.errors import BrokenImage, InvalidRequest, TooLarge, UnsupportedMedia
from spoolfarm.images import MAX_SIDE, check, decode, from_base64, sniff

LIMIT = 50_000_000
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF")
#: Left, then right, as RGB: of even colours and so wide that lossy formats keep them.
RED, BLUE = (200, 30, 40), (20, 60, 210)


def two_colours(width: int = 96, height: int = 64) -> Image.Image:
    """Red on the left, blue on the right."""
    picture = Image.new("RGB", (width, height), RED)
    picture.paste(BLUE, (width // 2, 0, width, height))
    return picture


def encoded(picture: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def png_that_claims(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header says *width* x *height*."""
    png = bytearray(encoded(two_colours(), "PNG"))
    png[16:24] = struct.pack(">II", width, height)
    png[29:33] = struct.pack(">I", zlib.crc32(png[12:29]))
    return bytes(png)


def assert_colour(pixel: Any, rgb: tuple[int, int, int], tolerance: int = 6) -> None:
    assert np.abs(pixel.astype(int) - rgb[::-1]).max() <= tolerance, f"{pixel} is not {rgb[::-1]}"


@pytest.mark.parametrize(
    "sent",
    [
        "data:image/jpeg;base64,{}",
        " data:image/png;charset=x;base64,{}",
        'data:image/png;name="a,b.png"; base64 ,{}',
        "data%3Aimage%2fpng%3Bbase64%2C{}%0D%0A",
        "\ufeff{}",
        "{}\n",
        "\r\n {} ",
    ],
)
def test_base64_may_have_a_prefix_and_blanks_around_it(sent: str) -> None:
    assert from_base64(sent.format(base64.b64encode(b"pixels").decode())) == b"pixels"


def test_base64_may_be_broken_into_lines_url_safe_without_padding_or_with_blanks_for_plus() -> None:
    data = b"JPEG" + b"\xfb\xef\xbe\xff" * 6
    text = base64.b64encode(data).decode()
    assert "+" in text
    assert "/" in text
    assert text.endswith("=")
    assert from_base64("\n".join(text[at : at + 10] + " \t" for at in range(0, len(text), 10))) == data
    assert from_base64(text.translate(str.maketrans("+/", "-_"))) == data
    assert from_base64(text.rstrip("=")) == data
    assert from_base64(text.replace("+", " ")) == data
    assert from_base64(text.replace("+", "%2B").replace("/", "%2f").replace("=", "%3D")) == data
    assert from_base64("\t".join((text[:40], text[40:]))) == data


def test_many_blanks_in_base64_take_no_time() -> None:
    with pytest.raises(InvalidRequest):
        from_base64("A" + " " * 2_000_000 + "!\nA")


@pytest.mark.parametrize("sent", ["", "  \n", "data:image/png;base64,", "äöü", "abc$", "A"])
def test_what_is_not_base64_is_refused_with_the_name_of_the_field(sent: str) -> None:
    with pytest.raises(InvalidRequest, match="imgbase64"):
        from_base64(sent, "imgbase64")


@pytest.mark.parametrize("kind", FORMATS)
def test_check_tells_format_and_size_of_every_format(kind: str) -> None:
    header = check(encoded(two_colours(), kind), "image", LIMIT)
    assert (header.format, header.width, header.height) == (kind, 96, 64)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_check_refuses_by_what_is_wrong() -> None:
    png = encoded(two_colours(), "PNG")
    with pytest.raises(InvalidRequest, match="file: is empty"):
        check(b"", "file", LIMIT)
    with pytest.raises(UnsupportedMedia, match="JPEG, PNG"):
        check(b"%PDF-1.7 and so on", "file", LIMIT)
    with pytest.raises(UnsupportedMedia):
        check(b"RIFF\x00\x00\x00\x00WAVEfmt ", "file", LIMIT)
    with pytest.raises(TooLarge, match="96 x 64"):
        check(png, "file", 96 * 64 - 1)
    for kind in FORMATS:
        with pytest.raises(BrokenImage, match=kind):
            check(encoded(two_colours(), kind)[:14], "file", LIMIT)


def test_check_believes_the_header_so_a_huge_picture_costs_nothing() -> None:
    with pytest.raises(TooLarge, match="60000 x 60000"):
        check(png_that_claims(60_000, 60_000), "file", 10**12)
    with pytest.raises(TooLarge):
        check(png_that_claims(MAX_SIDE + 1, 1), "file", LIMIT)
    assert check(png_that_claims(MAX_SIDE, 1), "file", LIMIT).width == MAX_SIDE


def test_check_refuses_a_picture_without_pixels() -> None:
    with pytest.raises(BrokenImage):
        check(png_that_claims(0, 64), "file", LIMIT)


def test_check_does_not_load_opencv() -> None:
    code = (
        "import sys; from spoolfarm.images import check; check(sys.stdin.buffer.read(), 'image', 10**6);"
        "print('cv2' in sys.modules, 'numpy' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], input=encoded(two_colours(), "JPEG"), capture_output=True, check=True
    )
    assert done.stdout.split() == [b"False", b"False"]


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_decodes_to_three_channels_of_8_bits_in_bgr_order(kind: str) -> None:
    picture = decode(encoded(two_colours(), kind))
    assert picture.shape == (64, 96, 3)
    assert picture.dtype == np.uint8
    assert picture.flags.c_contiguous
    assert_colour(picture[32, 20], RED)
    assert_colour(picture[32, 80], BLUE)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize(("orientation", "red_side"), [(1, "left"), (3, "right"), (6, "top"), (8, "bottom")])
def test_pictures_come_out_upright(kind: str, orientation: int, red_side: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    for mode in ("RGB", "RGBA") if kind != "JPEG" else ("RGB",):
        picture = decode(encoded(two_colours().convert(mode), kind, exif=exif))
        assert picture.shape == ((64, 96, 3) if red_side in ("left", "right") else (96, 64, 3))
        place = {"left": (32, 4), "right": (32, -4), "top": (4, 32), "bottom": (-4, 32)}[red_side]
        assert_colour(picture[place], RED)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bits_are_divided_by_257(kind: str) -> None:
    values = np.linspace(0, 65535, 4096).round().astype(np.uint16).reshape(64, 64)
    picture = decode(encoded(Image.fromarray(values), kind))
    assert (picture == np.rint(values / 257).astype(np.uint8)[:, :, None]).all()


def test_transparent_parts_come_out_white_and_half_transparent_ones_mixed() -> None:
    picture = two_colours().convert("RGBA")
    picture.putalpha(Image.linear_gradient("L").resize((96, 64)))
    for kind in ("PNG", "WEBP", "TIFF"):
        out = decode(encoded(picture, kind, **({"lossless": True} if kind == "WEBP" else {})))
        for row in (0, 20, 40, 63):
            opacity = np.asarray(picture)[row, 10, 3] / 255
            mixed = [round(value * opacity + 255 * (1 - opacity)) for value in RED]
            assert_colour(out[row, 10], (mixed[0], mixed[1], mixed[2]), 3)


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_a_transparent_colour_of_a_palette_comes_out_white(kind: str) -> None:
    picture = Image.new("P", (96, 64), 0)
    picture.putpalette([*RED, *BLUE, 0, 0, 0])
    picture.paste(1, (48, 0, 96, 64))
    out = decode(encoded(picture, kind, transparency=0))
    assert_colour(out[32, 20], (255, 255, 255), 0)
    assert_colour(out[32, 80], BLUE, 0)


@pytest.mark.parametrize("mode", ["L", "1", "LA", "CMYK", "P"])
def test_other_colour_models_are_taken(mode: str) -> None:
    sent = two_colours().convert(mode, dither=Image.Dither.NONE)
    picture = decode(encoded(sent, "JPEG" if mode == "CMYK" else "PNG"))
    expected = np.asarray(sent.convert("RGB"))[:, :, ::-1]
    assert np.abs(picture.astype(int) - expected)[:, [10, 80]].max() <= 6


def test_of_a_gif_the_first_frame_and_of_a_tiff_the_first_page_is_taken() -> None:
    other = Image.new("RGB", (96, 64), (0, 255, 0))
    for kind in ("GIF", "TIFF"):
        assert_colour(decode(encoded(two_colours(), kind, save_all=True, append_images=[other]))[32, 20], RED)


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_picture_cut_short_is_broken(kind: str, mode: str, capfd: pytest.CaptureFixture[str]) -> None:
    grain = np.random.default_rng(1).integers(0, 255, (64, 96, 3), dtype=np.uint8)
    picture = Image.fromarray(grain)
    data = encoded(picture if kind == "JPEG" else picture.convert(mode), kind)
    decode(data)
    with pytest.raises(BrokenImage):
        decode(data[: len(data) // 2])
    assert "ERROR" not in capfd.readouterr().err


def test_what_is_no_picture_is_broken() -> None:
    for data in (b"", b"not a picture", b"\xff\xd8\xff", b"BM" + bytes(60), b"\x89PNG\r\n\x1a\n" + bytes(40)):
        with pytest.raises(BrokenImage):
            decode(data)


def test_formats_are_told_by_their_first_bytes() -> None:
    assert [sniff(encoded(two_colours(), kind)) for kind in FORMATS] == list(FORMATS)
    assert sniff(b"") is None
