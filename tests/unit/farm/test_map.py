"""The farm's `map`: every item with its result, a few under way at a time."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from spoolfarm.errors import JobFailed, NoWorker
from spoolfarm.farm.farm import Farm
from spoolfarm.farm.staff import FIRST_LOOK
from tests.support.running_farm import until
from tests.support.thread_workers import left, settings, worker, working

__all__ = ["settings", "worker"]


def test_a_map_yields_every_item_with_its_result_and_leaves_nothing_behind(farm: Farm) -> None:
    items = [bytes(size) for size in range(40)]
    with working(farm, 2):
        found = dict(farm.map("echo", items, in_flight=7, n=1))
    assert found == {item: {"params": {"n": 1}, "bytes": len(item)} for item in items}
    assert left(farm) == []


@pytest.mark.parametrize("count", [0, 1, 4])
def test_a_map_ends_with_its_last_result(count: int, farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spoolfarm.spool.results.RESCAN", 10.0)
    start = time.monotonic()
    with working(farm):
        assert len(list(farm.map("echo", [bytes(size) for size in range(count)], in_flight=2))) == count
    assert time.monotonic() - start < 9


@pytest.mark.parametrize("number", [0, -1])
def test_a_map_with_nothing_in_flight_is_refused_at_once(number: int, farm: Farm) -> None:
    with pytest.raises(ValueError, match=f"in_flight must be at least 1, not {number}"):
        farm.map("echo", [b"1"], in_flight=number)


def test_a_map_has_no_more_under_way_than_allowed_and_draws_no_more(farm: Farm) -> None:
    drawn = []

    def items() -> Iterator[bytes]:
        for number in range(20):
            drawn.append(number)
            yield bytes(number)

    found = farm.map("echo", items(), in_flight=3)
    with working(farm):
        next(found)
    assert len(drawn) == 3
    found.close()  # type: ignore[attr-defined]
    assert sum(farm.spool.count().values()) == 0
    assert left(farm) == []


def test_a_map_that_is_given_up_cancels_what_is_queued(farm: Farm) -> None:
    found = farm.map("echo", [b"1", b"2", b"3"], in_flight=3)
    with working(farm):
        next(found)
    found.close()  # type: ignore[attr-defined]
    assert left(farm) == []


@pytest.mark.usefixtures("worker")
def test_an_item_that_fails_raises_or_is_yielded_as_its_error(farm: Farm) -> None:
    items = [b"good", b"bad", b"fine"]
    with pytest.raises(JobFailed, match="cannot stand it"):
        list(farm.map("pairs", items))
    found = dict(farm.map("pairs", items, return_exceptions=True))
    assert isinstance(found[b"bad"], JobFailed)
    assert {type(found[item]) for item in (b"good", b"fine")} == {int}

    def tidied() -> bool:
        farm.spool.reclaim()  # as the launcher does, every second: it forgets what ran when it was given up
        return not left(farm)

    until(tidied)


def test_what_can_become_no_job_costs_one_item(farm: Farm) -> None:
    def drawn() -> Iterator[object]:
        yield from ["/no/such/file", 5, b"x"]
        yield from itertools.repeat("/no/such/file")

    found = farm.map("echo", drawn(), return_exceptions=True)  # type: ignore[type-var]
    with working(farm):
        kinds = {type(next(found)[1]) for _ in range(4)}
        while dict not in kinds:
            kinds.add(type(next(found)[1]))
    assert kinds == {FileNotFoundError, TypeError, dict}
    found.close()  # type: ignore[attr-defined]
    with pytest.raises(FileNotFoundError):
        list(farm.map("echo", ["/no/such/file"]))


def test_a_map_waits_for_room(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spoolfarm.farm.mapping.FULL_RETRY", 0.01)
    small = Farm(settings=replace(farm.settings, max_queued=2))
    with working(small):
        assert len(list(small.map("echo", [bytes(size) for size in range(10)]))) == 10
    small.close()


def test_a_map_that_finds_no_room_waits_a_moment_for_a_worker_to_come(farm: Farm) -> None:
    full = Farm(settings=replace(farm.settings, max_queued=0))
    start = time.monotonic()
    with pytest.raises(NoWorker, match="no worker runs"):
        list(full.map("echo", [b"1"]))
    assert time.monotonic() - start >= FIRST_LOOK
    full.close()
