"""Previews: `python -m spoolfarm.images.preview` makes small JPEGs of the pictures that it is sent, one after another.

Pictures may be hostile, and one that is looked at may have killed a worker. So this is a process of its own, with
little memory; the kernel ends it when a picture takes too long, and it ends by itself when nobody asks for a while.

    request     the longest side in pixels, the most pixels to decode, and the length of the picture, then its bytes
    reply       the length of the JPEG, then its bytes; a length of 0 when the picture cannot be decoded
"""

from __future__ import annotations

import contextlib
import os
import resource
import select
import signal
import struct
import sys
from typing import BinaryIO

from spoolfarm.errors import FarmError
from spoolfarm.images.reading import check, decode

REQUEST = struct.Struct(">IQQ")
REPLY = struct.Struct(">Q")
#: Seconds that one picture may take, and seconds without a request after which the process ends.
SECONDS, IDLE = 10, 30.0
#: Bytes of address space.
MEMORY = 3 << 30
#: JPEG's quality.
QUALITY = 80


def main() -> None:
    """Answer requests on the standard input until it ends."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(10)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, range(os.cpu_count() or 1))  # not the front's core alone
    asked, said = sys.stdin.buffer, sys.stdout.buffer
    while select.select([asked], [], [], IDLE)[0] and (head := asked.read(REQUEST.size)):
        side, most_pixels, length = REQUEST.unpack(head)
        picture = asked.read(length)
        signal.alarm(SECONDS)
        made = preview(picture, side, most_pixels)
        signal.alarm(0)
        _reply(said, made)


def _reply(said: BinaryIO, made: bytes) -> None:
    said.write(REPLY.pack(len(made)) + made)
    said.flush()


def preview(picture: bytes, side: int, most_pixels: int) -> bytes:
    """A JPEG of *picture*, whose sides are *side* pixels at most; empty when it cannot be decoded."""
    with contextlib.suppress(FarmError, MemoryError):
        check(picture, "picture", most_pixels)
        return _jpeg(picture, side)
    return b""


def _jpeg(picture: bytes, side: int) -> bytes:
    import cv2

    cv2.setNumThreads(1)
    pixels = decode(picture)
    height, width = pixels.shape[:2]
    scale = side / max(height, width)
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    made = cv2.imencode(".jpg", small if scale < 1 else pixels, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1]
    return bytes(made)


if __name__ == "__main__":
    main()
