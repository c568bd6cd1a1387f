"""The standard streams: there, whatever a process was started with, and able to take any text."""

from __future__ import annotations

import io
import os
import sys


def prepare() -> None:
    """Have all three, and have letters that they cannot say replaced.

    Who starts a process with one of them closed would else have the next file that is opened take its number, and what
    is printed go into that file.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) < 3:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    sys.stdin = sys.stdin or open(0, closefd=False)  # noqa: SIM115  # for the life of this process
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors in ("strict", "surrogateescape"):
            stream.reconfigure(errors="replace")


def flush() -> None:
    """Have standard output written out, or forgotten when nobody takes it: the flush at exit shall not fail again."""
    try:
        sys.stdout.flush()
    except OSError:
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, sys.stdout.fileno())
        os.close(nothing)
