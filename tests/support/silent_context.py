"""A context of a task that tells nobody anything."""

from __future__ import annotations


class Silence:
    """A context nobody listens to."""

    def log(self, line: str) -> None: ...

    def progress(self, fraction: float) -> None: ...

    def cancelled(self) -> bool:
        return False
