"""What a worker tells of what it does, and what others make of it."""

from __future__ import annotations

from typing import Any

import pytest

from spoolfarm.spool.rates import Rate, rates
from spoolfarm.worker import stats
from spoolfarm.worker.stats import WorkerStats


def test_a_tally_tells_totals_and_the_last_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.2]
    monkeypatch.setattr(stats.time, "time", lambda: now[0])
    mine = WorkerStats()
    for _ in range(3):
        mine.count("ocr", failed=False)
    now[0] = 1003.9
    mine.count("ocr", failed=True)
    mine.count("echo", failed=False)
    assert mine.tell() == {
        "ocr": {"ended": 4, "failed": 1, "seconds": [[1000, 3, 0], [1003, 1, 1]]},
        "echo": {"ended": 1, "failed": 0, "seconds": [[1003, 1, 0]]},
    }


def test_telling_is_due_once_a_second_and_only_with_news(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [50.0]
    monkeypatch.setattr(stats.time, "monotonic", lambda: now[0])
    mine = WorkerStats()
    assert not mine.due
    mine.count("ocr", failed=False)
    assert mine.due
    mine.tell()
    assert not mine.due
    mine.count("ocr", failed=False)
    assert not mine.due
    now[0] += 1
    assert mine.due


def test_a_tally_stays_small(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(stats.time, "time", lambda: now[0])
    mine = WorkerStats()
    for second in range(10_000):
        now[0] = second
        mine.count("ocr", failed=False)
    assert mine.tell()["ocr"]["ended"] == 10_000
    assert len(mine.tell()["ocr"]["seconds"]) <= 62


def worker(*seconds: list[int]) -> dict[str, Any]:
    return {"done": {"ocr": {"ended": 9, "failed": 9, "seconds": list(seconds)}}}


def test_rates_add_up_over_the_workers_and_forget_what_is_old() -> None:
    workers = [
        worker([938, 500, 500], [939, 30, 0], [988, 5, 0], [989, 20, 1]),
        worker([998, 10, 2], [999, 400, 0]),  # the last second is not over for everybody
        {"pid": 7},
    ]
    assert rates(workers, 1000.5) == {"ocr": Rate(ten=3.0, minute=65 / 60, failed=3)}


def test_without_workers_there_are_no_rates() -> None:
    assert rates([], 1000.0) == {}
