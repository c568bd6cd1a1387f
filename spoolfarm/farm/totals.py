"""Totals: what a farm has done since its spool was made, by task, as the spool's counts tell it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from spoolfarm.spool import buckets
from spoolfarm.spool.counts import BUCKETS
from spoolfarm.spool.spool import Spool


@dataclass(frozen=True, slots=True)
class Histogram:
    """How long something took, in seconds."""

    #: How many took no longer than each bound, which is a number as text, the last one "+Inf".
    buckets: Sequence[tuple[str, float]]
    #: All of them together.
    sum: float


@dataclass(frozen=True, slots=True)
class Totals:
    """All of them but the last only grow."""

    #: Jobs that ended, by task, outcome and source.
    jobs: Mapping[tuple[str, ...], float] = field(default_factory=dict)
    #: How long jobs had waited when a worker took them, and how long it ran them, by task; the last attempt counts.
    wait: Mapping[str, Histogram] = field(default_factory=dict)
    run: Mapping[str, Histogram] = field(default_factory=dict)
    #: Attempts that ended with their worker, by task and reason.
    lost: Mapping[tuple[str, ...], float] = field(default_factory=dict)
    #: Workers that were started in the place of others, by lane and reason.
    restarts: Mapping[tuple[str, ...], float] = field(default_factory=dict)
    #: For how many seconds the first job of each task has been in the queue; tasks without any are left out.
    oldest: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, spool: Spool) -> Totals:
        """The totals of *spool* now; no restart sets them back, and no removal of a result."""
        found: dict[str, dict[tuple[str, ...], float]] = {}
        for (kind, *labels), value in sorted(spool.counts.read().items()):
            found.setdefault(kind, {})[tuple(labels)] = value
        wait, run = (_histograms(found.get(kind, {})) for kind in ("wait", "run"))
        jobs, lost, restarts = (found.get(kind, {}) for kind in ("jobs", "lost", "restarts"))
        return cls(jobs, wait, run, lost, restarts, buckets.oldest(spool.queue))


def _histograms(cells: Mapping[tuple[str, ...], float]) -> dict[str, Histogram]:
    """The histogram of each task, from its cells by task and bound."""
    bounds = [*BUCKETS[:-1], "+Inf"]
    return {
        task: Histogram(
            list(zip(bounds, accumulate(cells.get((task, each), 0.0) for each in BUCKETS), strict=True)),
            cells.get((task, "sum"), 0.0),
        )
        for task in dict.fromkeys(task for task, _ in cells)
    }
