"""Run lengths: masks as COCO writes them, made from the mask inside its box, byte for byte as pycocotools does.

Of whole pictures of 12 megapixels that takes ten times as long (`python -m benchmarks.pieces`).

The format is that of cocoapi's `maskApi.c`: the lengths of runs of zeros and ones in turn, column by column, beginning
with zeros. From the third length on, what is written is the difference to the length before the last one. A number is
written in characters of 5 bits, the lowest first, with 48 added; bit 6 says that another character follows.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from spoolfarm.tasks.segment.instance import Pixels

#: Bits of a number in one character, and the character that stands for 0.
BITS, ZERO = 5, 48
#: Says that another character follows.
MORE = 1 << BITS

Numbers = np.ndarray[Any, np.dtype[np.int64]]


def encode(mask: Pixels, left: int, top: int, height: int, width: int) -> bytes:
    """The `counts` of a mask that is zero outside of its crop *mask*, in a picture of *height* x *width*."""
    return compress(run_lengths(mask, left, top, height, width))


def run_lengths(mask: Pixels, left: int, top: int, height: int, width: int) -> Numbers:
    """Lengths of the runs of zeros and ones in turn, column by column, of the whole picture."""
    rows = len(mask)
    # Framed, each column begins and ends outside of the mask, so its borders are starts and ends in turn.
    framed = cv2.transpose(cv2.copyMakeBorder(mask, 1, 1, 0, 0, cv2.BORDER_CONSTANT, value=(0,)))
    at = np.flatnonzero(framed[:, 1:] != framed[:, :-1])
    column, row = np.divmod(at, rows + 1)
    borders = (column + left) * height + row + top
    if rows == height:  # only then can a run go on at the top of the next column
        goes_on = np.flatnonzero(borders[1:-1:2] == borders[2::2])
        borders = np.delete(borders, np.concatenate([2 * goes_on + 1, 2 * goes_on + 2]))
    lengths: Numbers = np.diff(borders, prepend=0, append=height * width)
    return lengths[:-1] if len(borders) and borders[-1] == height * width else lengths


def compress(lengths: Numbers) -> bytes:
    """Run lengths as text."""
    rest = lengths.astype(np.int64)
    rest[3:] -= lengths[1:-2]
    written, used = [], []
    more = np.ones(len(rest), bool)
    while more.any():
        used.append(more)
        low = rest & (MORE - 1)
        rest = rest >> BITS
        more = more & np.where(low & (MORE >> 1), rest != -1, rest != 0)
        written.append(low + ZERO + MORE * more)
    characters = np.stack(written, axis=1).astype(np.uint8)
    return bytes(characters[np.stack(used, axis=1)])


def expand(text: bytes) -> Numbers:
    """The run lengths in *text*, as they stand there: they may be negative or of any sum. Raises ValueError."""
    codes = np.frombuffer(text, np.uint8).astype(np.int64) - ZERO
    more = (codes & MORE) > 0
    if not len(codes) or codes.min() < 0 or codes.max() >= 2 * MORE or more[-1]:
        raise ValueError("no run lengths")
    starts = np.flatnonzero(np.concatenate([[True], ~more[:-1]]))
    sizes = np.diff(starts, append=len(codes))
    if sizes.max() * BITS > 60:
        raise ValueError("a run length of more than 60 bits")
    places = BITS * (np.arange(len(codes)) - np.repeat(starts, sizes))
    lengths: Numbers = np.add.reduceat((codes & (MORE - 1)) << places, starts)
    negative = (codes[starts + sizes - 1] & (MORE >> 1)) > 0
    lengths[negative] -= 1 << (BITS * sizes[negative])
    for first in (1, 2):
        lengths[first::2] = np.cumsum(lengths[first::2])
    return lengths
