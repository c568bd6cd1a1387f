"""The queue on disk: jobs, claims, leases and results, and how waiters are woken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spoolfarm.spool.job import Job, Result, State
    from spoolfarm.spool.results import Results
    from spoolfarm.spool.spool import Spool

__all__ = ["Job", "Result", "Results", "Spool", "State"]


def __getattr__(name: str) -> Any:
    """Import on first use: reading a record needs neither filelock nor watchdog."""
    if name in ("Job", "Result", "State"):
        from spoolfarm.spool import job

        return getattr(job, name)
    if name == "Results":
        from spoolfarm.spool.results import Results

        return Results
    if name == "Spool":
        from spoolfarm.spool.spool import Spool

        return Spool
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
