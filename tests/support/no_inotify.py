"""What the tests of wake-ups share: how soon one comes, and the ways in which a system has none to give."""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from collections.abc import Callable

import pytest
from watchdog.observers import inotify_c

#: Seconds in which a wake-up has to come; a lost one takes RESCAN, which these tests set to more.
SOON = 20.0


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def no_instances(patch: pytest.MonkeyPatch) -> None:
    def init() -> int:
        ctypes.set_errno(errno.EMFILE)
        return -1

    patch.setattr(inotify_c, "inotify_init", init)


def no_watches(patch: pytest.MonkeyPatch) -> None:
    def add(descriptor: int, path: bytes, events: int) -> int:
        ctypes.set_errno(errno.ENOSPC)
        return -1

    patch.setattr(inotify_c, "inotify_add_watch", add)


def no_inotify(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(sys.modules, "watchdog.observers.inotify_c", None)
    patch.delattr("watchdog.observers.inotify_c")


Lack = Callable[[pytest.MonkeyPatch], None]
LACKS = pytest.mark.parametrize("lack", [no_instances, no_watches, no_inotify], ids=lambda lack: lack.__name__)
