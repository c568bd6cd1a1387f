"""The rename that never replaces, renameat2(2) with RENAME_NOREPLACE: for file systems without hard links."""

from __future__ import annotations

import ctypes
import errno
import functools
import os
from collections.abc import Callable

#: Of <linux/fs.h> and <fcntl.h>: fail when the target is there; paths are relative to the working directory.
RENAME_NOREPLACE, AT_FDCWD = 1, -100


def rename_new(path: str, target: str) -> None:
    """Rename *path* to *target*, which is not there yet, in one step.

    Raises FileExistsError, and OSError where the kernel, the C library or the file system does not know how.
    """
    if _renameat2()(AT_FDCWD, os.fsencode(path), AT_FDCWD, os.fsencode(target), RENAME_NOREPLACE):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path, None, target)


@functools.cache
def _renameat2() -> Callable[..., int]:
    """The C library's function; where it has none, one that says so."""
    try:
        found = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError):
        return _absent
    found.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint)
    found.restype = ctypes.c_int
    return found


def _absent(*_: object) -> int:
    ctypes.set_errno(errno.ENOSYS)
    return -1
