"""What cannot be read: an entry of somebody else's, one on a failing disk, code that lies where only root may go."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def need_others_to_read(path: Path) -> None:
    """Skip a test that runs what lies in *path* as another user, where others may not read it."""
    if not all(each.stat().st_mode & 0o5 == 0o5 for each in (path, *path.parents)):
        pytest.skip("other users cannot read the code here")


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
