"""Paused tasks: those of which workers take no job until they are resumed. Their jobs are accepted, and wait.

    paused/<task>    the task is paused, since the time of the file
    paused/*         all tasks are

A worker looks for pauses at most every SEEN seconds while it finds none, and a pause returns only after as long. So a
claim pays nothing for pauses that are not there, and yet no worker overlooks one that has returned.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress

from spoolfarm.spool import files

#: Stands for all tasks together; no task is called so.
ALL = "*"
#: Seconds within which every worker that lives has seen a pause, before it takes another job.
SEEN = 0.1


class PausedTasks:
    """The directory of pauses in the spool *root*. Any process may change it, and no restart does."""

    def __init__(self, root: str) -> None:
        self._spool = root
        self._root = f"{root}/paused"

    def add(self, task: str) -> None:
        """Pause *task*, or ALL; when this returns, all workers heed it, even after a power cut. Raises OSError."""
        while True:
            files.make_directory(self._root)
            try:
                flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
                os.close(os.open(f"{self._root}/{task}", flags, files.FILE_MODE))
                files.sync_directory(self._root)
                break
            except FileNotFoundError:
                continue  # somebody has just resumed the last task, and removed the directory
        time.sleep(SEEN)

    def remove(self, task: str) -> None:
        """Resume *task*; with ALL, everything that was paused. Raises OSError."""
        for name in files.names(self._root) if task == ALL else [task]:
            files.remove(f"{self._root}/{name}")
        files.remove_empty(self._root)
        for path in (self._root, self._spool):
            with suppress(FileNotFoundError):
                files.sync_directory(path)

    def any(self) -> bool:
        """Whether anything may be paused; most often this one call finds nothing."""
        return os.access(self._root, os.F_OK)

    def on(self, task: str) -> bool:
        """Whether *task* is paused, by itself or with all."""
        return os.path.exists(f"{self._root}/{task}") or os.path.exists(f"{self._root}/{ALL}")

    def names(self) -> list[str]:
        """What is paused: tasks, and ALL before them when everything is."""
        return sorted(files.names(self._root))

    def since(self, task: str) -> float:
        """When the pause of *task*, or ALL, began, in seconds since the epoch; now, when it is over."""
        return files.modified(f"{self._root}/{task}")
