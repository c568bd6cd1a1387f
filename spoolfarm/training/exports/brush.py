"""Label Studio's brush: its own packed run lengths of a picture's four channels, of which the last one is the mask.

A stream of bits, the highest of each byte first: the number of values (32 bits), the bits of a value less one (5), and
four sizes of counts less one (4 each). Then come groups: one bit says whether a value is repeated, two bits which size
the count has, and the count, less one, follows; behind it stands the value once, or as many values as were counted.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from spoolfarm.tasks.segment.instance import Pixels

#: Red, green, blue and the mask.
CHANNELS = 4


def unpack(packed: Sequence[int], height: int, width: int) -> Pixels:
    """The mask of a picture of that size, of zeros and ones. Raises ValueError when it is not one."""
    bits = _Bits(bytes(packed))
    count, size = bits.read(32), bits.read(5) + 1
    if count != CHANNELS * height * width:
        raise ValueError(f"{count} values where {CHANNELS} x {height} x {width} should be")
    counts = [bits.read(4) + 1 for _ in range(4)]
    found = np.zeros(count, np.uint8)
    at = 0
    while at < count:
        repeated = bits.read(1)
        end = at + 1 + bits.read(counts[bits.read(2)])
        if end > count:
            raise ValueError("more values than there are")
        if repeated:
            found[at:end] = bits.read(size) > 0
        else:
            found[at:end] = [bits.read(size) > 0 for _ in range(end - at)]
        at = end
    return np.ascontiguousarray(found.reshape(height, width, CHANNELS)[..., -1])


class _Bits:
    """The bits of *data*, read one number after another."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def read(self, size: int) -> int:
        """The next *size* bits. Raises ValueError at the end."""
        end = self._at + size
        first, last = self._at // 8, (end + 7) // 8
        if last > len(self._data):
            raise ValueError("it is cut short")
        whole = int.from_bytes(self._data[first:last], "big")
        self._at = end
        return whole >> (last * 8 - end) & ((1 << size) - 1)
