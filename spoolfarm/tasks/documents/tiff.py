"""TIFF: a file of many pages cut into files of one, without touching a pixel.

TIFF 6.0: https://www.itu.int/itudoc/itu-t/com16/tiff-fx/docs/tiff6.pdf
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from spoolfarm.errors import BrokenImage
from spoolfarm.images.tiff import pages

#: Bytes of one value, by its type.
SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 16: 8, 17: 8, 18: 8}
#: Where a page's pixels lie, by the tag that says how long each piece is.
PIECES = {279: 273, 325: 324, 514: 513}
#: Tags that point elsewhere in the file: more pages, and what a camera had to say.
DROPPED = {330, 34665, 34853, 40965}

#: Bytes that a page may be larger than twice the file it was in.
SLACK = 1000


@dataclass(frozen=True, slots=True)
class Field:
    """One tag of a page: its values' type, how many there are, and their bytes."""

    tag: int
    type: int
    count: int
    data: bytes


class Tiff:
    """A TIFF file in memory. Raises BrokenImage when it is damaged, here or later."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._order = "<" if data[:2] == b"II" else ">"
        #: BigTIFF's letter and size of an offset, its letter of a count of tags, and the size of a tag; else TIFF's.
        self._word, self._step, self._counter, self._tag = ("Q", 8, "Q", 20) if 43 in data[2:4] else ("I", 4, "H", 12)
        self._head = struct.calcsize("<" + self._counter)
        self._offsets = list(pages(io.BytesIO(data)))

    def __len__(self) -> int:
        return len(self._offsets)

    def page(self, index: int) -> bytes:
        """The page as a file of its own."""
        fields = {field.tag: field for field in self._fields(self._offsets[index]) if field.tag not in DROPPED}
        body = bytearray(struct.pack(self._order + "2sHI", b"II" if self._order == "<" else b"MM", 42, 0))
        for lengths, places in PIECES.items():
            if places in fields:
                fields[places] = self._moved(fields[places], fields.get(lengths), body)
        directory = [struct.pack(self._order + "H", len(fields))]
        for tag in sorted(fields):
            field = fields[tag]
            value = field.data.ljust(4, b"\0")
            if len(field.data) > 4:
                value = struct.pack(self._order + "I", self._added(body, field.data))
            directory.append(struct.pack(self._order + "HHI", field.tag, field.type, field.count) + value)
        body += b"\0" * (len(body) % 2)
        struct.pack_into(self._order + "I", body, 4, len(body))
        return bytes(body) + b"".join(directory) + b"\0\0\0\0"

    def _fields(self, offset: int) -> Iterator[Field]:
        for number in range(self._numbers(self._counter, offset, 1)[0]):
            at = offset + self._head + self._tag * number
            tag, kind = self._numbers("H", at, 2)
            [count] = self._numbers(self._word, at + 4, 1)
            size = SIZES.get(kind, 1) * count
            place = at + 4 + self._step
            start = place if size <= self._step else self._numbers(self._word, place, 1)[0]
            yield self._narrow(Field(tag, kind, count, self._bytes(start, size)))

    def _narrow(self, field: Field) -> Field:
        """The field with numbers of 4 bytes in place of BigTIFF's 8, which a page of its own does not need."""
        if field.type not in (16, 18):
            return field
        wide = struct.unpack(f"{self._order}{field.count}Q", field.data)
        if max(wide, default=0) > 0xFFFFFFFF:
            raise BrokenImage("a page of the TIFF lies beyond 4 GiB")
        return Field(field.tag, 4, field.count, struct.pack(f"{self._order}{field.count}I", *wide))

    def _moved(self, places: Field, lengths: Field | None, body: bytearray) -> Field:
        """Append a page's pieces to *body*, and return where they lie there."""
        starts = self._values(places)
        sizes = self._values(lengths) if lengths else [len(self._data) - start for start in starts]
        if len(sizes) < len(starts):
            raise BrokenImage("a page of the TIFF lacks a part of itself")
        moved = [self._added(body, self._bytes(start, size)) for start, size in zip(starts, sizes, strict=False)]
        return Field(places.tag, 4, len(moved), struct.pack(f"{self._order}{len(moved)}I", *moved))

    def _added(self, body: bytearray, data: bytes) -> int:
        """Append *data* to *body*, and return where it lies there."""
        body += b"\0" * (len(body) % 2)
        if len(body) + len(data) > 2 * len(self._data) + SLACK:
            raise BrokenImage("a page of the TIFF says that it is larger than the file")  # one piece many times
        at = len(body)
        body += data
        return at

    def _values(self, field: Field) -> list[int]:
        if field.type not in (3, 4):
            raise BrokenImage("a page of the TIFF is damaged")
        return list(struct.unpack(f"{self._order}{field.count}{'HI'[field.type - 3]}", field.data))

    def _numbers(self, kind: str, at: int, count: int) -> tuple[int, ...]:
        form = f"{self._order}{count}{kind}"
        return struct.unpack(form, self._bytes(at, struct.calcsize(form)))

    def _bytes(self, at: int, size: int) -> bytes:
        if at + size > len(self._data):
            raise BrokenImage("the TIFF is cut short or damaged")
        return self._data[at : at + size]
