"""PNG: its chunks, less what nobody needs to see it.

Chunks: https://www.w3.org/TR/png-3/#11Chunks. A decoder has to read the critical ones; a wrong checksum in another one,
or a text too long for somebody, is no reason to refuse a picture.
"""

from __future__ import annotations

import os
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


def parse(file: BinaryIO, *, pixels: bool = True) -> Png:
    """Take the PNG in *file* apart; without *pixels* only for what else it says. Raises BrokenImage."""
    pieces, header = [SIGNATURE], b""
    other: dict[bytes, bytes] = {}
    for name, length in _chunks(file):
        noted = name in _NOTED or name in _TEXTS
        if not (noted and length <= MOST_BYTES) and not (pixels and (name in _CRITICAL or name in _KEPT)):
            continue
        piece = file.read(length)
        data = piece[8:-4]
        if name == b"IHDR":
            header = data
        whole = name in _CRITICAL or _whole(piece)
        if whole and (name in _CRITICAL or name in _KEPT):
            pieces.append(piece)
        if whole and name in _NOTED:
            other.setdefault(name, data)
        elif whole and name in _TEXTS:
            _note(name, data, other)
    exif = other.get(b"eXIf", b"") or other.get(b"exif", b"")
    if pixels:
        if len(header) != 13:
            raise BrokenImage("the PNG header cannot be read")
        pieces[2:2] = [chunk(b"eXIf", exif)] if exif else []
        if pieces[-1][4:8] != b"IEND":
            pieces.append(chunk(b"IEND", b""))
    depth, colour = header[8:10] or (0, 0)
    clear = _clear(other.get(b"tRNS", b""), colour)
    return Png(b"".join(pieces), depth, colour, clear, exif, other.get(_XMP, b""), _profile(other.get(b"iCCP", b"")))


def chunk(name: bytes, data: bytes) -> bytes:
    """One chunk of a file."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _chunks(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """The name of each chunk, and how many bytes it takes, to its checksum; *file* stands at its beginning."""
    at, end = len(SIGNATURE), file.seek(0, os.SEEK_END)
    for _ in range(MOST_CHUNKS):
        if at >= end:
            return
        file.seek(at)
        head = file.read(8)
        length, name = 12 + int.from_bytes(head[:4], "big"), head[4:]
        if at + length > end:
            raise BrokenImage("the picture is damaged or cut short")
        file.seek(at)
        yield name, length
        if name == b"IEND":
            return
        at += length
    raise BrokenImage(f"the PNG has more than {MOST_CHUNKS} chunks")


def _whole(piece: bytes) -> bool:
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
