"""Pictures for the tests: good, bad and lying."""

from __future__ import annotations

import base64
import functools
import io
import struct
import zlib
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont


def encoded(picture: Image.Image, kind: str = "PNG") -> bytes:
    """The file of *picture*."""
    file = io.BytesIO()
    picture.save(file, kind)
    return file.getvalue()


def small(kind: str = "PNG") -> bytes:
    """A picture of 40 x 20 pixels."""
    return encoded(Image.new("RGB", (40, 20), "white"), kind)


def page(lines: Sequence[str]) -> bytes:
    """A white page with *lines* in black."""
    picture = Image.new("RGB", (420, 30 + 44 * len(lines)), "white")
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(30)
    for number, line in enumerate(lines):
        draw.text((16, 12 + 44 * number), line, fill="black", font=font)
    return encoded(picture)


def grain(kind: str = "JPEG") -> bytes:
    """A picture that does not compress, so that half of its bytes are half of its pixels."""
    return encoded(Image.effect_noise((200, 200), 80).convert("RGB"), kind)


def png(width: int, height: int, pixels: bytes, depth: int = 8, colour: int = 2) -> bytes:
    """A PNG whose header says *width* x *height*, over *pixels*, which may be something else."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(pixels, 1)), (b"IEND", b"")]
    parts = [
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@functools.cache
def bomb() -> bytes:
    """900 million black pixels, all of them really there, in half a megabyte."""
    return png(30000, 30000, bytes(30000 * (1 + 30000 // 8)), depth=1, colour=0)


def large_webp() -> bytes:
    """A lossless WebP of 40 x 20 pixels whose header says 16383 x 16383, the most that WebP can say."""
    file = io.BytesIO()
    Image.new("RGB", (40, 20)).save(file, "WEBP", lossless=True)
    data = bytearray(file.getvalue())
    [bits] = struct.unpack("<I", data[21:25])
    data[21:25] = struct.pack("<I", bits & 0xF0000000 | 16382 << 14 | 16382)
    return bytes(data)


def large_gif() -> bytes:
    """A GIF of 40 x 20 pixels whose first frame says 60000 x 60000."""
    data = bytearray(small("GIF"))
    frame = data.index(b",", 13) + 5
    data[frame : frame + 4] = struct.pack("<HH", 60000, 60000)
    return bytes(data)


def text_of(picture: bytes) -> str:
    """The picture as base64."""
    return base64.b64encode(picture).decode()
