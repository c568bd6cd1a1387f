"""Staffing: one general worker more or fewer, which only the launcher that keeps this front can have."""

from __future__ import annotations

import os
import signal
from typing import Any

from spoolfarm.config import Settings
from spoolfarm.errors import InvalidParams, NotConfigured
from spoolfarm.farm.board import launcher

#: So many times as many general workers as the settings give may be asked for here, or so many.
MOST_TIMES, MOST = 2, 4


def allowed(about: dict[str, Any] | None) -> bool:
    """Whether the launcher that says *about* itself is the one that started this front.

    Only then its number means that process: in another container it may be somebody else's.
    """
    return about is not None and about["pid"] in _ancestors() and about["workers"] is not None


def change(settings: Settings, more: int) -> int:
    """Have so many general workers *more*, or fewer; return how many there are to be.

    Raises NotConfigured where no launcher keeps this front, InvalidParams when the number would be too high or none.
    """
    about = launcher(settings.spool_dir)
    if about is None or not allowed(about):
        raise NotConfigured("no launcher keeps this front, so it can start and retire no workers")
    wanted, most = about["workers"] + more, limit(settings)
    if wanted < 1:
        raise InvalidParams("the last worker stays; pause the queue instead")
    if more > 0 and wanted > most:
        raise InvalidParams(f"there are {about['workers']} workers already, and {most} are the most that can be added")
    os.kill(about["pid"], signal.SIGTTIN if more > 0 else signal.SIGTTOU)
    return int(wanted)


def limit(settings: Settings) -> int:
    """How many general workers there may be."""
    return max(MOST_TIMES * settings.workers, MOST)


def _ancestors() -> list[int]:
    """The processes from which this one comes, the nearest first."""
    found = [os.getpid()]
    while found[-1] > 1:
        try:
            with open(f"/proc/{found[-1]}/stat", "rb") as stat:
                found.append(int(stat.read().rpartition(b")")[2].split()[1]))
        except OSError:
            break
    return found[1:]
