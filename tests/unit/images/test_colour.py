"""Colours: profiles become sRGB, and what is transparent gets a ground on which letters are seen."""

from __future__ import annotations

import functools
import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageDraw

from spoolfarm.images import decode
from spoolfarm.images.png import chunk

Array = np.ndarray[Any, Any]
#: The primaries of sRGB and of Display P3, adapted to D50: ICC.1, and Apple's profile.
SRGB = ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410))
P3 = ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407))


def profile(space: bytes = b"RGB ", primaries: Any = SRGB, gamma: float = 2.2) -> bytes:
    """A small ICC profile of a display, or of a grey one."""
    tags = {b"wtpt": xyz(0.9642, 1, 0.8249), b"cprt": b"text\0\0\0\0none\0", b"desc": described(b"drawn")}
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + bytes(2)
    if space == b"GRAY":
        tags[b"kTRC"] = curve
    else:
        tags |= {name + b"XYZ": xyz(*values) for name, values in zip((b"r", b"g", b"b"), primaries, strict=True)}
        tags |= {name + b"TRC": curve for name in (b"r", b"g", b"b")}
    return packed(b"mntr", space, b"XYZ ", tags)


def packed(device: bytes, space: bytes, connection: bytes, tags: dict[bytes, bytes]) -> bytes:
    """The file of a profile."""
    table, body, at = struct.pack(">I", len(tags)), b"", 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        data += b"\0" * (-len(data) % 4)
        table += name + struct.pack(">II", at + len(body), len(data))
        body += data
    head = struct.pack(">I4sI4s4s", at + len(body), bytes(4), 0x02100000, device, space) + connection
    head += bytes(12) + b"acsp" + bytes(28) + struct.pack(">III", 0xF6D6, 0x10000, 0xD32D)
    return head.ljust(128, b"\0") + table + body


def xyz(*values: float) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(value * 65536) for value in values))


def described(text: bytes) -> bytes:
    return b"desc\0\0\0\0" + struct.pack(">I", len(text) + 1) + text + b"\0" + bytes(78)


SWAPPED = profile(primaries=(SRGB[1], SRGB[0], SRGB[2]))
REAL_SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def encoded(picture: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


@functools.cache
def grain() -> Image.Image:
    colours = np.random.default_rng(2).integers(0, 256, (6, 8, 3), np.uint8)
    return Image.fromarray(colours).resize((64, 48), Image.Resampling.NEAREST)


def as_srgb(picture: Image.Image, given: bytes) -> Array:
    """What LittleCMS makes of it, in BGR order."""
    source = ImageCms.ImageCmsProfile(io.BytesIO(given))
    shown = ImageCms.profileToProfile(picture, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    assert shown is not None
    return np.asarray(shown)[..., ::-1]


def assert_close(picture: Array, expected: Array, tolerance: float) -> None:
    assert picture.shape == expected.shape
    assert np.percentile(np.abs(picture.astype(int) - expected), 90) <= tolerance


CONTAINERS: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 100, "subsampling": 0},
    "PNG": {},
    "WEBP": {"lossless": True},
    "TIFF": {},
    "AVIF": {"quality": 100, "subsampling": "4:4:4"},
}


@pytest.mark.parametrize("kind", CONTAINERS)
@pytest.mark.parametrize("given", [profile(primaries=P3), profile(gamma=1.0), SWAPPED], ids=["P3", "linear", "swapped"])
def test_a_profile_is_applied_in_every_container(kind: str, given: bytes) -> None:
    data = encoded(grain(), kind, icc_profile=given, **CONTAINERS[kind])
    expected = as_srgb(grain(), given)
    assert np.abs(expected.astype(int) - np.asarray(grain())[..., ::-1]).max() > 20
    assert_close(decode(data), expected, 4)


@pytest.mark.parametrize("mode", ["P", "RGBA", "I;16"])
def test_a_profile_is_applied_whatever_the_samples_are(mode: str) -> None:
    if mode == "I;16":
        given = profile(b"GRAY", gamma=1.0)
        grey = np.asarray(grain().convert("L"))
        data, source = (
            encoded(Image.fromarray(grey.astype(np.uint16) * 257), "PNG", icc_profile=given),
            grain().convert("L"),
        )
    else:
        given = SWAPPED
        source = grain().quantize(40) if mode == "P" else grain().convert("RGBA")
        data, source = encoded(source, "PNG", icc_profile=given), source.convert("RGB")
    assert_close(decode(data), as_srgb(source, given), 2)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_grey_has_profiles_too(kind: str) -> None:
    given, grey = profile(b"GRAY", gamma=1.0), grain().convert("L")
    assert_close(decode(encoded(grey, kind, icc_profile=given)), as_srgb(grey, given), 8)


def printer() -> bytes:
    """An ICC profile of four inks, by a table of the 16 colours where each ink is there or not: ICC.1, lut8Type."""
    table = b""
    for number in range(16):
        inks = [number >> place & 1 for place in (3, 2, 1, 0)]
        light = 255 * (1 - 0.28 * sum(inks[:3])) * (0.1 if inks[3] else 1)
        table += bytes([round(light), 128 + 50 * (inks[1] - inks[0]), 128 + 50 * (inks[2] - inks[0])])
    ramp = bytes(range(256))
    unit = struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    lut = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + unit + ramp * 4 + table + ramp * 3
    tags = {b"A2B0": lut, b"wtpt": xyz(0.9642, 1, 0.8249), b"desc": described(b"drawn"), b"cprt": b"text\0\0\0\0none\0"}
    return packed(b"prtr", b"CMYK", b"Lab ", tags)


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_inks_have_profiles_too(kind: str) -> None:
    inks = grain().convert("CMYK")
    options = {"quality": 100} if kind == "JPEG" else {}
    expected = as_srgb(inks, printer())
    assert np.abs(expected.astype(int) - np.asarray(inks.convert("RGB"))[..., ::-1]).max() > 30
    assert_close(decode(encoded(inks, kind, icc_profile=printer(), **options)), expected, 4)


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_inks_without_a_profile_are_what_pillow_makes_of_them(kind: str) -> None:
    inks = grain().convert("CMYK")
    options = {"quality": 100} if kind == "JPEG" else {}
    expected = np.asarray(inks.convert("RGB"))[..., ::-1]
    assert_close(decode(encoded(inks, kind, **options)), expected, 4)


@pytest.mark.parametrize(
    "given",
    [b"nonsense", REAL_SRGB[:200], profile(b"GRAY"), b"\0" * 500, SWAPPED[:130], SWAPPED[:20] + b"\xff" * 500],
    ids=["words", "cut", "of grey", "zeros", "no tags", "ones"],
)
@pytest.mark.parametrize("kind", CONTAINERS)
def test_a_broken_profile_is_ignored(kind: str, given: bytes) -> None:
    if kind == "AVIF":
        plain = encoded(grain(), kind, **CONTAINERS[kind])
    else:
        plain = encoded(grain(), kind, icc_profile=given, **CONTAINERS[kind])
    assert_close(decode(plain), np.asarray(grain())[..., ::-1], 4)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_srgb_changes_nothing_and_is_not_even_applied(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = encoded(grain(), kind, **CONTAINERS[kind])
    data = encoded(grain(), kind, icc_profile=REAL_SRGB, **CONTAINERS[kind])
    assert (decode(data) == decode(plain)).all()
    monkeypatch.setattr(ImageCms, "applyTransform", None)
    monkeypatch.setattr(ImageCms, "buildTransform", None)
    assert (decode(data) == decode(plain)).all()


# Grounds.


def letters(ink: tuple[int, int, int], mode: str = "RGBA") -> Image.Image:
    """Words of *ink* on nothing."""
    picture = Image.new("RGBA", (400, 120), (*ink, 0))
    ImageDraw.Draw(picture).text((20, 20), "Invoice 118", fill=(*ink, 255), font_size=48)
    return picture.convert(mode)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize(
    ("ink", "ground"),
    [
        ((255, 255, 255), 0),
        ((230, 230, 220), 0),
        ((255, 240, 60), 0),
        ((0, 0, 0), 255),
        ((200, 30, 30), 255),
        ((20, 60, 210), 255),
        ((120, 120, 120), 255),
    ],
)
def test_letters_on_nothing_are_seen(kind: str, ink: tuple[int, int, int], ground: int) -> None:
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {"quality": 95} if kind == "AVIF" else {}
    picture = decode(encoded(letters(ink), kind, **options))
    assert np.abs(picture[0, 0].astype(int) - ground).max() <= 3
    assert np.abs(picture.astype(int) - picture[0, 0]).max() > 100


def test_light_letters_are_seen_in_grey_in_palettes_and_in_16_bits() -> None:
    light = letters((255, 255, 255))
    palette = Image.new("P", light.size, 0)
    palette.putpalette([255, 255, 255, 250, 250, 250])
    palette.paste(1, mask=light.getchannel("A"))
    deep = np.asarray(light.convert("LA")).astype(">u2") * 257
    rows = b"".join(b"\0" + row.tobytes() for row in deep)
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", *light.size, 16, 4, 0, 0, 0))
    png = b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    for data in (encoded(light.convert("LA"), "PNG"), encoded(palette, "GIF", transparency=0), png):
        picture = decode(data)
        assert picture.max() >= 250
        assert picture[0, 0].tolist() == [0, 0, 0]


def test_a_page_keeps_its_white_corners_and_a_window_its_shadow() -> None:
    page = Image.new("RGBA", (400, 300), (255, 255, 255, 255))
    page.putalpha(Image.new("L", (400, 300), 0))
    ImageDraw.Draw(page).rounded_rectangle((0, 0, 399, 299), 20, (252, 252, 252, 255))
    assert decode(encoded(page, "PNG"))[0, 0].tolist() == [255, 255, 255]
    window = Image.new("RGBA", (400, 300), (0, 0, 0, 110))
    window.paste((250, 250, 250, 255), (60, 60, 340, 240))
    assert decode(encoded(window, "PNG"))[0, 0].tolist() == [145, 145, 145]


def test_a_picture_of_nothing_is_white() -> None:
    assert (decode(encoded(Image.new("RGBA", (40, 30), (255, 255, 255, 0)), "PNG")) == 255).all()
    assert (decode(encoded(Image.new("RGBA", (40, 30), (0, 0, 0, 0)), "PNG")) == 255).all()
