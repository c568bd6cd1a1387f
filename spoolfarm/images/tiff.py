"""TIFF: what the tags of a page say, in classic files and in BigTIFF.

TIFF 6.0: https://www.itu.int/itudoc/itu-t/com16/tiff-fx/docs/tiff6.pdf
BigTIFF: https://libtiff.gitlab.io/libtiff/specification/bigtiff.html
"""

from __future__ import annotations

import enum
import os
import struct
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO

from spoolfarm.errors import BrokenImage


class Tag(enum.IntEnum):
    """The tags that say what a page is, and how its pixels lie in the file."""

    KIND = 254
    WIDTH = 256
    HEIGHT = 257
    BITS = 258
    COMPRESSION = 259
    PHOTOMETRIC = 262
    FILL_ORDER = 266
    STRIPS = 273
    ORIENTATION = 274
    SAMPLES = 277
    ROWS_PER_STRIP = 278
    STRIP_SIZES = 279
    PLANAR = 284
    PREDICTOR = 317
    PALETTE = 320
    TILE_WIDTH = 322
    TILE_HEIGHT = 323
    TILES = 324
    TILE_SIZES = 325
    EXTRA = 338
    FORMAT = 339
    SUBSAMPLING = 530
    PROFILE = 34675


ALL = frozenset(Tag)
#: Tags whose values grow with the picture, and the others, which make a header.
LONG = frozenset([Tag.STRIPS, Tag.STRIP_SIZES, Tag.TILES, Tag.TILE_SIZES, Tag.PALETTE, Tag.PROFILE])
HEADER = ALL - LONG
#: Bytes and letter of one whole number, by its type.
NUMBERS = {1: (1, "B"), 3: (2, "H"), 4: (4, "I"), 7: (1, "B"), 13: (4, "I"), 16: (8, "Q"), 18: (8, "Q")}
#: What a page's kind says when it is a smaller copy of another page, or its mask.
COPY = 1 | 4
#: Tags in one page, and pages in one file, at most.
MOST_TAGS, MOST_PAGES = 4096, 100_000

GREY_OF_INK, GREY, RGB, PALETTE, CMYK, YCBCR, LAB = 0, 1, 2, 3, 5, 6, 8
#: What the samples of a pixel are, by the number of its colour model, and how many.
CHANNELS = {GREY_OF_INK: 1, GREY: 1, RGB: 3, PALETTE: 1, CMYK: 4, YCBCR: 3, LAB: 3}
MODELS = {4: "transparency masks", 9: "ICC L*a*b*", 10: "ITU L*a*b*", 32803: "a camera's raw samples"}
MODELS |= {32844: "LogL", 32845: "LogLuv", 34892: "a camera's raw samples"}
#: How the samples are packed, where every depth can be unpacked.
PACKED = {1: "none", 5: "LZW", 8: "Deflate", 32773: "PackBits", 32946: "Deflate", 34925: "LZMA", 50000: "Zstandard"}
#: Where only pictures of 8 bits a sample, or 1, are known.
CODED = {2: "CCITT", 3: "fax 3", 4: "fax 4", 6: "old JPEG", 7: "JPEG", 50001: "WebP"}
#: Others that have a name.
UNPACKED = {
    32766: "NeXT",
    32771: "CCITT of words",
    32809: "ThunderScan",
    32909: "Pixar's",
    34661: "JBIG",
    34887: "LERC",
}
UNPACKED |= dict.fromkeys((33003, 33005, 34712), "JPEG 2000") | dict.fromkeys((22610, 34934), "JPEG XR")
UNPACKED |= dict.fromkeys((34676, 34677), "SGI Log") | dict.fromkeys((50002, 52546), "JPEG XL")
#: The depths in bits that are read, by the samples' format: whole numbers, with a sign, and floating point.
UNSIGNED, SIGNED, FLOAT = 1, 2, 3
DEPTHS = {UNSIGNED: (1, 2, 4, 8, 10, 12, 14, 16, 32), SIGNED: (8, 16, 32), FLOAT: (16, 32, 64)}
FORMATS = {UNSIGNED: "whole", SIGNED: "signed", FLOAT: "floating-point", 5: "complex", 6: "complex"}
#: Bits of one pixel, at most: four channels of 64.
MOST_BITS = 256


@dataclass(frozen=True, slots=True)
class Page:
    """The tags of one page."""

    #: struct's sign for the order of bytes.
    order: str
    tags: Mapping[int, tuple[int, ...]]

    def one(self, tag: Tag, default: int) -> int:
        """The first value of *tag*."""
        return self.tags[tag][0] if self.tags.get(tag) else default

    @property
    def samples(self) -> int:
        """Samples of one pixel."""
        return self.one(Tag.SAMPLES, 1)

    @property
    def bits(self) -> int:
        """Bits of one sample."""
        return self.one(Tag.BITS, 1)

    @property
    def format(self) -> int:
        """UNSIGNED, SIGNED or FLOAT; what says that it does not know is taken for whole numbers."""
        return UNSIGNED if (found := self.one(Tag.FORMAT, 1)) == 4 else found

    @property
    def model(self) -> int:
        """Its colour model."""
        return self.one(Tag.PHOTOMETRIC, RGB if self.samples >= 3 else GREY_OF_INK)

    @property
    def compression(self) -> int:
        """How it is packed."""
        return self.one(Tag.COMPRESSION, 1)

    def size(self) -> tuple[int, int]:
        """Width and height as stored. Raises BrokenImage."""
        width, height = self.one(Tag.WIDTH, 0), self.one(Tag.HEIGHT, 0)
        if not width or not height:
            raise BrokenImage("the TIFF header says that it has no pixels")
        return width, height

    def objection(self) -> str:
        """Why it cannot be read, as the rest of a sentence that begins with "a TIFF"; "" when it can."""
        depths, formats = set(self.tags.get(Tag.BITS, ())), set(self.tags.get(Tag.FORMAT, ()))
        kind = FORMATS.get(self.format, "unknown")
        if self.model not in CHANNELS:
            return f"of {MODELS.get(self.model, f'colour model {self.model}')}; send RGB or grey"
        if self.compression not in PACKED and self.compression not in CODED:
            name = UNPACKED.get(self.compression, self.compression)
            return f"of compression {name}; send LZW, Deflate or none"
        if len(depths) > 1 or len(formats) > 1:
            return "whose channels have different depths; send 8 or 16 bits each"
        if self.bits not in DEPTHS.get(self.format, ()) or (self.compression in CODED and self.bits not in (1, 8)):
            return f"of {self.bits}-bit {kind} samples; send 8 or 16 bits, or 32-bit floating point"
        if self.model in (PALETTE, LAB, YCBCR) and (self.bits > 8 or self.format != UNSIGNED):
            return f"of {self.bits}-bit samples in this colour model; send RGB or grey"
        if self.model in (GREY_OF_INK, GREY, PALETTE) and self.samples > 2:
            return f"of {self.samples} channels that are no colours; send one of them, or three as RGB"
        if self.samples * self.bits > MOST_BITS:
            return f"of {self.samples * self.bits} bits a pixel; send at most {MOST_BITS}"
        return "with fewer samples than colours" if self.samples < CHANNELS[self.model] else ""


def first(file: BinaryIO, wanted: Collection[Tag] = ALL) -> Page:
    """The tags that are *wanted* of the first page of the TIFF in *file*. Raises BrokenImage."""
    reader = _Reader(file)
    return reader.page(wanted, reader.first)


def pages(file: BinaryIO) -> Iterator[int]:
    """Where the pages of the TIFF in *file* begin, smaller copies and masks of them left out.

    Raises BrokenImage when there is none.
    """
    reader, seen = _Reader(file), set[int]()
    at, found = reader.first, False
    while at and at not in seen and len(seen) < MOST_PAGES:
        try:
            following = reader.after(at)
            whole = not reader.page([Tag.KIND], at).one(Tag.KIND, 0) & COPY
        except BrokenImage:
            if not seen:
                raise
            break  # some programs leave a page after the last one that is none
        seen.add(at)
        if whole:
            found = True
            yield at
        at = following
    if not found:
        yield reader.first


class _Reader:
    """A TIFF file open for reading; every read is checked against its length."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._length = file.seek(0, os.SEEK_END)
        head = self._bytes(0, 8)
        self._order = "<" if head[:2] == b"II" else ">"
        self._big = 43 in head[2:4]
        #: Letter and bytes of an offset, of a count of tags, and bytes of a tag.
        self._word, self._step, self._count, self._tag = ("Q", 8, "Q", 20) if self._big else ("I", 4, "H", 12)
        [self.first] = self._numbers(self._word, 8 if self._big else 4, 1)

    def page(self, wanted: Collection[int], beginning: int) -> Page:
        start, tags = beginning + struct.calcsize("<" + self._count), {}
        table = self._bytes(start, self._tags(beginning) * self._tag)
        for at in range(0, len(table), self._tag):
            tag, kind, count = struct.unpack_from(f"{self._order}HH{self._word}", table, at)
            if tag not in wanted or kind not in NUMBERS:
                continue
            size, letter = NUMBERS[kind]
            place = start + at + 4 + self._step
            if size * count > self._step:
                [place] = self._numbers(self._word, place, 1)
            tags[tag] = self._numbers(letter, place, count)
        return Page(self._order, tags)

    def after(self, at: int) -> int:
        """Where the page after the one at *at* is; 0 when that is the last."""
        end = at + struct.calcsize("<" + self._count) + self._tags(at) * self._tag
        return int(self._numbers(self._word, end, 1)[0])

    def _tags(self, at: int) -> int:
        [count] = self._numbers(self._count, at, 1)
        if not 0 < count <= MOST_TAGS:
            raise BrokenImage("the TIFF header cannot be read")
        return int(count)

    def _numbers(self, letter: str, at: int, count: int) -> tuple[int, ...]:
        size = struct.calcsize(f"<{letter}") * count  # the count of a hostile file is no format to make
        data = self._bytes(at, size)
        return struct.unpack(f"{self._order}{count}{letter}", data)

    def _bytes(self, at: int, size: int) -> bytes:
        if at + size > self._length:
            raise BrokenImage("the TIFF header cannot be read")
        self._file.seek(at)
        return self._file.read(size)
