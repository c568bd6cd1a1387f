"""Disabled tasks: those that no worker could set up, each with the reason, until a worker can.

    disabled/<task>    why a worker could not set it up

Only while a launcher runs does a note mean anything: the next one begins anew.
"""

from __future__ import annotations

import time

from spoolfarm.errors import TaskUnavailable
from spoolfarm.spool import files, lease

#: Seconds for which a look that found no note is good.
FRESH = 0.2


class DisabledTasks:
    """The directory of such notes in the spool *root*, which is made when there is the first one."""

    def __init__(self, root: str) -> None:
        self._spool = root
        self._root = f"{root}/disabled"
        #: Until when, by time.monotonic(), no note of a task is looked for: that is asked for every job.
        self._clear_until: dict[str, float] = {}

    def note(self, task: str, reason: str) -> None:
        """A worker cannot set up *task*."""
        self._clear_until.pop(task, None)
        files.make_directory(self._root)
        files.write_atomic(self._path(task), reason.encode(errors="replace"))

    def clear(self, task: str) -> None:
        """A worker that has set up *task* is ready."""
        files.remove(self._path(task))

    def clear_all(self) -> None:
        """Nothing is known of any task yet."""
        for task in files.names(self._root):
            self.clear(task)

    def check(self, task: str) -> None:
        """Raise TaskUnavailable when *task* cannot be set up, and nobody is ready who could."""
        if reason := self.reason(task):
            raise TaskUnavailable(f"task {task!r} is disabled, for its setup failed: {reason}")

    def reason(self, task: str) -> str | None:
        """Why no worker can run *task*; None when there is one, or when nobody knows."""
        now = time.monotonic()
        if now < self._clear_until.get(task, 0.0):
            return None
        try:
            reason = files.read(self._path(task)).decode(errors="replace")
        except OSError:  # there is no note, most often; one that cannot be read is no reason to refuse anything
            self._clear_until[task] = now + FRESH
            return None
        workers = lease.ready(f"{self._spool}/workers")
        if any(task in worker["tasks"] for worker in workers) or not lease.alive(self._spool, "launcher"):
            return None
        return reason

    def all(self) -> dict[str, str]:
        """The reasons by task."""
        found = {task: self.reason(task) for task in sorted(files.names(self._root)) if not task.endswith(".tmp")}
        return {task: reason for task, reason in found.items() if reason is not None}

    def _path(self, task: str) -> str:
        return f"{self._root}/{task}"
