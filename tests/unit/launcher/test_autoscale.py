"""Autoscaling: more workers while jobs wait, fewer when nobody needs them, always between the two ends."""

from __future__ import annotations

import pytest

from spoolfarm.config import Crew
from spoolfarm.launcher.autoscale import IDLE, PATIENCE, Autoscale, Look


def after(autoscale: Autoscale, *looks: tuple[float, int, int, int], held: int) -> list[int]:
    """How many workers are wanted at each of *looks*: when, how many are ready, busy, and how many jobs wait."""
    found = []
    for now, ready, busy, waiting in looks:
        held = autoscale.wanted(Look(now, held, ready, busy, waiting))
        found.append(held)
    return found


def test_a_crew_doubles_while_jobs_wait_and_stops_at_its_most() -> None:
    looks = [(at * PATIENCE, ready, ready, 50) for at, ready in enumerate((2, 2, 4, 4, 8, 8, 10, 10))]
    assert after(Autoscale(Crew(2, 10)), *looks, held=2) == [2, 4, 4, 8, 8, 10, 10, 10]


def test_no_more_workers_come_than_jobs_wait() -> None:
    assert after(Autoscale(Crew(4, 64)), (0, 4, 4, 1), (PATIENCE, 4, 4, 1), held=4) == [4, 5]


@pytest.mark.parametrize(("ready", "busy"), [(4, 3), (3, 3)], ids=["one is idle", "one is not ready yet"])
def test_a_crew_that_has_hands_left_does_not_grow(ready: int, busy: int) -> None:
    looks = [(float(at), ready, busy, 9) for at in range(9)]
    assert after(Autoscale(Crew(4, 64)), *looks, held=4) == [4] * 9


def test_a_moment_with_many_jobs_is_no_reason_to_grow() -> None:
    looks = [(0.0, 2, 2, 9), (PATIENCE / 2, 2, 1, 0), (PATIENCE, 2, 2, 9), (PATIENCE * 1.5, 2, 1, 0)]
    assert after(Autoscale(Crew(2, 8)), *looks, held=2) == [2] * 4


def test_workers_whom_nobody_has_needed_end_and_no_others() -> None:
    looks = [(0.0, 8, 1, 0), (IDLE / 2, 8, 5, 0), (IDLE - 1, 8, 0, 0), (IDLE, 8, 0, 0)]
    assert after(Autoscale(Crew(1, 8)), *looks, held=8) == [8, 8, 8, 5]


def test_a_crew_never_shrinks_below_its_least_and_not_while_jobs_wait() -> None:
    idle = [(0.0, 4, 0, 0), (IDLE, 4, 0, 0), (IDLE * 2, 3, 0, 0), (IDLE * 3, 3, 0, 0)]
    assert after(Autoscale(Crew(3, 8)), *idle, held=4) == [4, 3, 3, 3]
    waiting = [(0.0, 4, 0, 0), (IDLE - 1, 4, 3, 1), (IDLE, 4, 0, 0), (IDLE + 1, 4, 0, 0)]
    assert after(Autoscale(Crew(1, 8)), *waiting, held=4) == [4] * 4


def test_a_signal_moves_both_ends() -> None:
    autoscale = Autoscale(Crew(1, 2))
    autoscale.shift(1)
    assert autoscale.crew == Crew(2, 3)
    for _ in range(5):
        autoscale.shift(-1)
    assert autoscale.crew == Crew(0, 0)
