"""Mounts that no other process sees, and that end with the process that made them, however it ends."""

from __future__ import annotations

import ctypes
import functools
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

#: unshare(2): mounts of its own. mount(2): with all that lie below it, take from outside and hand on nothing.
CLONE_NEWNS, MS_REC, MS_SLAVE = 0x20000, 0x4000, 1 << 19


@functools.cache
def _part_with_others(_pid: int) -> None:
    """Give this process, and what it starts from now on, mounts of its own, which the kernel drops after the last.

    Raises OSError when it may not.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) or libc.mount(b"none", b"/", None, MS_REC | MS_SLAVE, None):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def mount(*arguments: str) -> None:
    """Run mount(8) with *arguments*; skip the test where nothing may be mounted."""
    try:
        _part_with_others(os.getpid())
    except OSError as error:
        pytest.skip(f"cannot mount anything here: {error}")
    subprocess.run(["mount", *arguments], check=True, capture_output=True)


def unmount(path: Path, *options: str) -> None:
    """Run umount(8)."""
    subprocess.run(["umount", *options, str(path)], check=True, capture_output=True)


@contextmanager
def tmpfs(path: Path, options: str) -> Iterator[None]:
    """A file system in memory at *path*, a directory that is made."""
    path.mkdir()
    mount("-t", "tmpfs", "-o", options, "tmpfs", str(path))
    try:
        yield
    finally:
        unmount(path, "--lazy")
