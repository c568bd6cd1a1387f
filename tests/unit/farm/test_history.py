"""The history: what was done between two looks, whoever did it, and across a restart."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from spoolfarm.farm import history as module
from spoolfarm.farm.board import Board
from spoolfarm.farm.farm import Farm
from spoolfarm.farm.history import History, Moment, quantile
from tests.support.running_farm import until
from tests.support.thread_workers import settings, working

__all__ = ["settings"]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """A clock that a test sets."""
    now = [time.time()]
    monkeypatch.setattr(module.time, "time", lambda: now[0])
    yield now
    monkeypatch.undo()


def done(points: list[dict[str, Any]]) -> list[dict[str, int]]:
    """How the jobs of each time ended, by outcome."""
    return [
        {outcome: sum(of.get(outcome, 0) for of in point["tasks"].values()) for outcome in ("succeeded", "failed")}
        for point in points
    ]


def work(farm: Farm, *tasks: str) -> None:
    for task in tasks:
        farm.put(farm.prepare(task, [], {}))
    with working(farm):
        for _ in farm.map("echo", [b"1"]):
            pass
        until(lambda: not any(farm.spool.count().values()) and not any(farm.spool.running().values()))


def test_each_time_tells_what_was_done_in_it_and_how_long_that_took(farm: Farm, clock: list[float]) -> None:
    history = History(farm.spool)
    history.look()
    work(farm, "echo", "fails")
    clock[0] += 10
    history.look()
    clock[0] += 10
    history.look()
    points = history.points()
    assert done(points) == [{"succeeded": 2, "failed": 1}, {"succeeded": 0, "failed": 0}]
    median, most = points[0]["tasks"]["echo"]["run"]
    assert 0 < median <= most < 5
    assert [round(point["at"] - point["from"]) for point in points] == [10, 10]
    assert done(history.points(points[0]["at"])) == done(points[1:])


def test_a_front_that_starts_again_goes_on_with_what_was_known(farm: Farm, clock: list[float]) -> None:
    first = History(farm.spool)
    first.look()
    work(farm, "echo")
    clock[0] += 10
    first.look()
    work(farm, "fails")  # while there is no front
    clock[0] += 60
    again = History(farm.spool)
    again.look()
    assert done(again.points()) == [{"succeeded": 2, "failed": 0}, {"succeeded": 1, "failed": 1}]


def test_hours_in_which_nothing_happens_take_no_room(farm: Farm, clock: list[float]) -> None:
    history = History(farm.spool)
    for _ in range(50):
        history.look()
        clock[0] += 10
    assert len(history.points()) == 1
    assert Path(farm.root, "history").read_bytes().count(b"\n") == 1
    work(farm, "echo")
    history.look()
    assert done(history.points())[-1]["succeeded"] == 2


def test_what_is_too_old_goes_and_the_file_stays_small(
    farm: Farm, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KEPT", 100.0)
    history = History(farm.spool)
    for number in range(60):
        farm.submit("echo")
        history.look()
        clock[0] += 10
        assert len(history.points()) <= 11, number
    assert Path(farm.root, "history").read_bytes().count(b"\n") <= 2 * 10 + 1


@pytest.mark.parametrize(
    "line", [b"", b"{", b"[]", b"7", b'{"at": "x"}', b'{"at": 1, "queued": [], "counts": 2}', b"\xff"]
)
def test_a_line_that_tells_no_moment_is_passed_over(farm: Farm, line: bytes) -> None:
    good = Moment(round(time.time() - 5, 1), {"echo": 2}, 1, {"jobs/echo/succeeded": 7.0})
    Path(farm.root, "history").write_bytes(line + b"\n" + good.line() + good.line()[:20])
    history = History(farm.spool)
    history.look()
    assert [point["from"] for point in history.points()] == [good.at]


def test_a_spool_that_was_emptied_is_no_negative_work(farm: Farm, clock: list[float]) -> None:
    before = Moment(clock[0] - 10, {}, 0, {"jobs/echo/succeeded": 1e6, "run/echo/0.5": 1e6})
    Path(farm.root, "history").write_bytes(before.line())
    history = History(farm.spool)
    history.look()
    assert [point["tasks"] for point in history.points()] == [{}]


def test_quantiles_lie_within_their_bucket() -> None:
    assert quantile({0.1: 10.0}, 0.5) == 0.075  # between 0.05 and 0.1
    assert quantile({0.1: 90.0, 10.0: 10.0}, 0.95) == 7.5
    assert quantile({float("inf"): 3.0}, 0.5) == 7200.0


def test_the_board_is_looked_at_once_for_all_who_ask(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    farm.submit("echo")
    farm.pauses.pause("pairs")
    looks: list[int] = []
    figures = farm.figures
    monkeypatch.setattr(farm, "figures", lambda: looks.append(1) or figures())
    board = Board(farm)
    seen = [board.now() for _ in range(5)]
    assert len(looks) == 1
    echo, _, pairs, _ = seen[0]["tasks"]
    assert (echo["name"], echo["queued"], echo["paused"], echo["workers"]) == ("echo", 1, False, 0)
    assert (pairs["name"], pairs["paused"], list(seen[0]["paused"])) == ("pairs", True, ["pairs"])
    assert seen[0]["launcher"] is None
    board.forget()
    board.now()
    assert len(looks) == 2
