"""Rates: how many jobs a second the workers of a farm do, by what they report of themselves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

#: Seconds that a worker reports one by one.
REMEMBERED = 60
#: Seconds between two reports of a busy worker.
TELL = 1.0


@dataclass(frozen=True, slots=True)
class Rate:
    """How many jobs of one task the workers do."""

    #: Jobs per second that ended, successfully or not, over the last 10 s and the last minute.
    ten: float = 0.0
    minute: float = 0.0
    #: How many failed in the last minute.
    failed: int = 0


def rates(workers: Iterable[Mapping[str, Any]], now: float) -> dict[str, Rate]:
    """The rate of each task, from what living *workers* report, at the time.time() *now*.

    Only seconds that every worker has had time to report are counted.
    """
    last = int(now - TELL) - 1
    found: dict[str, Rate] = {}
    for worker in workers:
        for task, counts in worker.get("done", {}).items():
            rate = found.get(task, Rate())
            ten = sum(ended for second, ended, _ in counts["seconds"] if last - 10 < second <= last)
            minute = [each for each in counts["seconds"] if last - REMEMBERED < each[0] <= last]
            found[task] = Rate(
                rate.ten + ten / 10,
                rate.minute + sum(ended for _, ended, _ in minute) / REMEMBERED,
                rate.failed + sum(failed for _, _, failed in minute),
            )
    return found
