"""Previews: small JPEGs of jobs' pictures, made by a process of their own that is there while somebody looks."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections import OrderedDict
from typing import IO

from spoolfarm.images.preview import REPLY, REQUEST

#: Bytes of previews that are kept in memory, and how many.
MOST_BYTES, MOST = 8 << 20, 2000
#: What a preview is known by: the job, the picture's place in it, and the longest side.
Key = tuple[str, int, int]


class Previews:
    """Makes previews of pictures with at most *max_pixels*, one at a time, and keeps the latest."""

    def __init__(self, max_pixels: int) -> None:
        self._max_pixels = max_pixels
        self._made: OrderedDict[Key, bytes] = OrderedDict()
        self._bytes = 0
        self._process: subprocess.Popen[bytes] | None = None
        #: Held by whoever asks the process, and by whoever changes what is kept.
        self._asking, self._keeping = threading.Lock(), threading.Lock()

    def known(self, key: Key) -> bytes | None:
        """The preview if it was made lately; empty when the picture cannot be decoded."""
        with self._keeping:
            if (made := self._made.get(key)) is not None:
                self._made.move_to_end(key)
            return made

    def make(self, key: Key, picture: bytes) -> bytes:
        """A JPEG of *picture*; empty when it cannot be decoded, or takes too much time or memory."""
        with self._asking:
            if (made := self.known(key)) is None:
                made = self._ask(picture, key[2])
        with self._keeping:
            self._bytes += len(made) - len(self._made.pop(key, b""))
            self._made[key] = made
            while len(self._made) > MOST or self._bytes > MOST_BYTES:
                self._bytes -= len(self._made.popitem(last=False)[1])
        return made

    def close(self) -> None:
        """End the process."""
        with self._asking:
            self._end()

    def _ask(self, picture: bytes, side: int) -> bytes:
        """What the process replies; one that had just ended, because nobody asked, is started again."""
        while True:
            fresh = self._process is None
            try:
                process = self._process = self._process or _start()
                assert process.stdin is not None
                assert process.stdout is not None
                process.stdin.write(REQUEST.pack(side, self._max_pixels, len(picture)))
                process.stdin.write(picture)
                process.stdin.flush()
                if reply := process.stdout.read(REPLY.size):
                    return _whole(process.stdout, *REPLY.unpack(reply))
            except OSError:
                pass  # it has ended, or cannot be started
            self._end()
            if fresh:
                return b""  # it was this picture

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()


def _whole(reply: IO[bytes], length: int) -> bytes:
    made = reply.read(length)
    return made if len(made) == length else b""


def _start() -> subprocess.Popen[bytes]:
    """The process, which gets nothing of this one's environment: the front's has secrets in it."""
    command = [sys.executable, "-m", "spoolfarm.images.preview"]
    own = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"}
    pipe, nowhere = subprocess.PIPE, subprocess.DEVNULL
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=nowhere, env=own)
