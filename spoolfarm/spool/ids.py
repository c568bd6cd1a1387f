"""Ids: those of the jobs that a spool and its results hold, for readers that must not create directories."""

from __future__ import annotations

from collections.abc import Iterator

from spoolfarm.spool import files
from spoolfarm.spool.results import ID


def unfinished(root: str) -> Iterator[str]:
    """The jobs that are queued or running in the spool *root*."""
    for task in files.names(f"{root}/queue"):
        for bucket in files.names(f"{root}/queue/{task}"):
            yield from _jobs(f"{root}/queue/{task}/{bucket}")
    for wid in files.names(f"{root}/active"):
        yield from _jobs(f"{root}/active/{wid}")


def dead(root: str) -> Iterator[str]:
    """The dead letters of the spool *root*."""
    return _jobs(f"{root}/dead")


def ended(results: str) -> Iterator[str]:
    """The jobs that have a result in the directory *results*."""
    return _jobs(results, ".json")


def _jobs(directory: str, suffix: str = "") -> Iterator[str]:
    stems = (name.partition(".")[0] for name in files.names(directory) if name.endswith(suffix))
    return filter(ID.fullmatch, stems)
