"""ICO: the largest of the pictures in an icon."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO

from spoolfarm.errors import BrokenImage
from spoolfarm.images import png

#: Pictures in one icon, at most, and bytes of one.
MOST_PICTURES, MOST_BYTES = 256, 64 << 20


@dataclass(frozen=True, slots=True)
class Icon:
    """One picture of an icon: a PNG, or a bitmap without its file header."""

    data: bytes
    #: Its row in the icon's table.
    row: bytes

    @property
    def is_png(self) -> bool:
        """Whether it is a PNG."""
        return self.data.startswith(png.SIGNATURE)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the bitmap, which counts its mask as a second half below. Raises BrokenImage."""
        size, width, height = struct.unpack("<Iii", self.data[:12])
        if size < 40 or width <= 0 or height < 2:
            raise BrokenImage("the ICO has no pixels")
        return width, height // 2

    def alone(self) -> bytes:
        """An icon of this picture only."""
        return struct.pack("<HHH", 0, 1, 1) + self.row[:12] + struct.pack("<I", 22) + self.data


def largest(file: BinaryIO) -> Icon:
    """The largest picture of the icon in *file*, of two alike the one with more colours. Raises BrokenImage."""
    file.seek(4)
    [count] = struct.unpack("<H", file.read(2))
    table = file.read(16 * min(count, MOST_PICTURES))
    rows = [table[at : at + 16] for at in range(0, len(table) - 15, 16)]
    if not rows:
        raise BrokenImage("the ICO has no pictures")
    row = max(rows, key=lambda row: ((row[0] or 256) * (row[1] or 256), row[6]))
    size, at = struct.unpack("<II", row[8:])
    file.seek(at)
    data = file.read(min(size, MOST_BYTES))
    if len(data) < 40:
        raise BrokenImage("the picture is damaged or cut short")
    return Icon(data, row)
