"""What the system refuses to read: an entry of somebody else's, or one on a failing disk."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import Any

import pytest


def refuse_to_read(patch: pytest.MonkeyPatch, path: str, number: int = errno.EACCES) -> None:
    """Have every look into *path*, a file or a directory, fail with the error *number*, wherever it is moved to."""
    inode = os.stat(path).st_ino

    def refusing(act: Callable[..., Any]) -> Callable[..., Any]:
        def call(path: Any, *arguments: Any, **named: Any) -> Any:
            try:
                hit = not isinstance(path, int) and os.stat(path).st_ino == inode
            except OSError:
                hit = False
            if hit:
                raise OSError(number, os.strerror(number), os.fspath(path))
            return act(path, *arguments, **named)

        return call

    patch.setattr(os, "open", refusing(os.open))
    patch.setattr(os, "listdir", refusing(os.listdir))
