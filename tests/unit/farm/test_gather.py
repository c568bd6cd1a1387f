"""Several jobs of one request, answered together."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from spoolfarm.errors import JobFailed, SpoolFull, UnknownTask, WaitTimeout
from spoolfarm.farm.farm import Farm
from spoolfarm.farm.gather import AHEAD, gather
from spoolfarm.spool.job import Job
from spoolfarm.tasks import Answer
from tests.support.running_farm import until
from tests.support.thread_workers import left, settings, working

__all__ = ["settings"]


def test_several_jobs_answer_in_their_order_and_leave_nothing(farm: Farm) -> None:
    with working(farm, 2):
        found = gather(
            farm, ((number, farm.prepare("pairs", [b"x" * number], {})) for number in range(1, 200)), 199, 30
        )
        assert [(number, type(outcome)) for number, outcome in found] == [(each, Answer) for each in range(1, 200)]
        mixed = gather(farm, ((data, farm.prepare("pairs", [data], {})) for data in (b"1", b"bad", b"3")), 3, 30)
        assert [(data, type(outcome)) for data, outcome in mixed] == [
            (b"1", Answer),
            (b"bad", JobFailed),
            (b"3", Answer),
        ]
        assert "cannot stand it" in str(mixed[1][1])
        assert gather(farm, iter(()), 0) == []
        until(lambda: not left(farm))


def test_many_jobs_are_drawn_a_few_at_a_time(farm: Farm) -> None:
    drawn = []

    def jobs() -> Iterator[tuple[str, Job]]:
        for _ in range(AHEAD + 10):
            drawn.append(time.monotonic())
            yield "item", farm.prepare("echo", [], {})

    start = time.monotonic()
    with pytest.raises(WaitTimeout) as raised:
        gather(farm, jobs(), AHEAD + 10, 0.5)
    assert drawn[AHEAD + 1] >= start + 0.5  # there is no worker: only when the time is over the rest is queued, too
    assert len(raised.value.job_ids) == AHEAD + 10
    assert raised.value.job_id == raised.value.job_ids[0]
    assert farm.spool.count() == {"echo": AHEAD + 10}


def test_several_jobs_need_room_for_all_and_one_that_is_refused_takes_the_others_back(farm: Farm) -> None:
    def jobs() -> Iterator[tuple[str, Job]]:
        yield "first", farm.prepare("echo", [], {})
        yield "second", farm.prepare("nosuch", [], {})

    with pytest.raises(UnknownTask):
        gather(farm, jobs(), 2, 1)
    assert sum(farm.spool.count().values()) == 0
    with pytest.raises(SpoolFull):
        gather(farm, ((number, farm.prepare("echo", [], {})) for number in range(11)), 10**9, 1)
    assert sum(farm.spool.count().values()) == 0
