"""PNG: its chunks, less what nobody needs to see it.

Chunks: https://www.w3.org/TR/png-3/#11Chunks. A decoder has to read the critical ones; a wrong checksum in another one,
or a text too long for somebody, is no reason to refuse a picture.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from spoolfarm.errors import BrokenImage

SIGNATURE = b"\x89PNG\r\n\x1a\n"
#: The kinds of colour, as the header numbers them.
GREY, RGB, PALETTE = 0, 2, 3
#: Chunks that are looked at, at most.
MOST_CHUNKS = 200_000
#: Bytes of a profile, a text or an EXIF block, unpacked, at most.
MOST_BYTES = 16 << 20

_CRITICAL = (b"IHDR", b"PLTE", b"IDAT", b"IEND")
#: Ancillary chunks that are kept: transparency and resolution.
_KEPT = (b"tRNS", b"pHYs")
#: Ancillary chunks that say what the pixels mean.
_NOTED = (b"tRNS", b"iCCP", b"eXIf")
_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_RAW_EXIF = (b"Raw profile type exif", b"Raw profile type APP1")
_XMP = b"XML:com.adobe.xmp"


@dataclass(frozen=True, slots=True)
class Png:
    """A PNG: the file that decoders are given, and what else it says."""

    data: bytes
    depth: int
    colour: int
    #: The one colour that is transparent, in samples of *depth*; only for grey and RGB.
    clear: tuple[int, ...] | None
    exif: bytes
    xmp: bytes
    profile: bytes


def size(file: BinaryIO) -> tuple[int, int]:
    """Width and height of the PNG in *file*, from its header alone. Raises BrokenImage."""
    file.seek(len(SIGNATURE))
    head = file.read(25)
    if len(head) < 25 or head[:8] != b"\0\0\0\rIHDR" or zlib.crc32(head[4:21]) != struct.unpack(">I", head[21:])[0]:
        raise BrokenImage("the PNG header cannot be read")
    width, height = struct.unpack(">II", head[8:16])
    if not width or not height:
        raise BrokenImage("the PNG header says that it has no pixels")
    return width, height


def parse(data: bytes) -> Png:
    """Take the PNG *data* apart. Raises BrokenImage."""
    pieces: list[bytes | memoryview] = [SIGNATURE]
    other: dict[bytes, bytes] = {}
    header = b""
    for name, piece in _chunks(memoryview(data)):
        if name == b"IHDR":
            header = bytes(piece[8:-4])
        if name in _CRITICAL or (name in _KEPT and _whole(piece)):
            pieces.append(piece)
        if name in _NOTED and _whole(piece):
            other.setdefault(name, bytes(piece[8:-4]))
        elif name in _TEXTS and _whole(piece):
            _note(name, bytes(piece[8:-4]), other)
        if name == b"IEND":
            break
    else:
        pieces.append(chunk(b"IEND", b""))
    if len(header) != 13:
        raise BrokenImage("the PNG header cannot be read")
    depth, colour = header[8], header[9]
    exif = other.get(b"eXIf", b"") or other.get(b"exif", b"")
    if exif:
        pieces.insert(2, chunk(b"eXIf", exif))
    clear = _clear(other.get(b"tRNS", b""), colour)
    return Png(b"".join(pieces), depth, colour, clear, exif, other.get(_XMP, b""), _profile(other.get(b"iCCP", b"")))


def chunk(name: bytes, data: bytes) -> bytes:
    """One chunk of a file."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _chunks(data: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """The name of each chunk, and its bytes from length to checksum."""
    at = len(SIGNATURE)
    for _ in range(MOST_CHUNKS):
        if at >= len(data):
            return
        head = bytes(data[at : at + 8])
        end = at + 12 + int.from_bytes(head[:4], "big")
        if end > len(data):
            raise BrokenImage("the PNG is cut short")
        yield head[4:], data[at:end]
        at = end
    raise BrokenImage(f"the PNG has more than {MOST_CHUNKS} chunks")


def _whole(piece: memoryview) -> bool:
    return zlib.crc32(piece[4:-4]) == int.from_bytes(piece[-4:], "big")


def _note(name: bytes, data: bytes, other: dict[bytes, bytes]) -> None:
    """Keep of a text what says which way is up."""
    keyword, _, text = data.partition(b"\0")
    if keyword not in (*_RAW_EXIF, _XMP):
        return
    if name == b"iTXt":
        packed, text = text[:1] == b"\1", text[2:].partition(b"\0")[2].partition(b"\0")[2]
    else:
        packed, text = name == b"zTXt", text[1:] if name == b"zTXt" else text
    if packed:
        text = _unpacked(text)
    if keyword == _XMP:
        other.setdefault(_XMP, text)
        return
    lines = text.split()  # a name, the number of bytes, and the bytes in hexadecimal
    try:
        raw = bytes.fromhex(b"".join(lines[2:]).decode("ascii"))
    except ValueError:
        return
    if raw.startswith((b"Exif\0\0", b"II*\0", b"MM\0*")):
        other.setdefault(b"exif", raw)


def _profile(data: bytes) -> bytes:
    return _unpacked(data.partition(b"\0")[2][1:]) if data else b""


def _unpacked(data: bytes) -> bytes:
    """The bytes that zlib packed as *data*; b"" when they are damaged or too many."""
    unpacker = zlib.decompressobj()
    try:
        found = unpacker.decompress(data, MOST_BYTES)
    except zlib.error:
        return b""
    return found if unpacker.eof else b""


def _clear(data: bytes, colour: int) -> tuple[int, ...] | None:
    count = {GREY: 1, RGB: 3}.get(colour, 0)
    return struct.unpack(f">{count}H", data[: 2 * count]) if count and len(data) >= 2 * count else None
