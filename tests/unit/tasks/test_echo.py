"""The echo task."""

from __future__ import annotations

from typing import Any

import pytest

from spoolfarm.errors import InvalidParams, JobCancelled
from spoolfarm.spool.job import Job
from spoolfarm.tasks import echo
from spoolfarm.tasks.echo import Echo


class Listener:
    """A context that notes what it is told, and that cancels after so many questions."""

    def __init__(self, cancel_after: int = 10**9) -> None:
        self.told: list[Any] = []
        self._left = cancel_after

    def log(self, line: str) -> None:
        self.told.append(line)

    def progress(self, fraction: float) -> None:
        self.told.append(fraction)

    def cancelled(self) -> bool:
        self._left -= 1
        return self._left < 0


def echo_task() -> Echo:
    """The task as the farm has it."""
    task = Echo()
    task.settings = {"FARM_JOB_TIMEOUT": 120.0}
    return task


def test_it_gives_back_what_it_got() -> None:
    batch = [Job("echo", {"a": [1]}, [b"12", b"345"]), Job("echo")]
    assert Echo().run(batch, Listener()) == [{"params": {"a": [1]}, "bytes": 5}, {"params": {}, "bytes": 0}]


def test_it_sleeps_first_and_says_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(echo, "LOOK", 0.01)
    listener = Listener()
    Echo().run([Job("echo", {"seconds": 0.05})], listener)
    assert len(listener.told) >= 2
    assert listener.told == sorted(listener.told)
    assert all(0 <= fraction <= 1 for fraction in listener.told)


def test_it_wakes_up_when_it_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(echo, "LOOK", 0.01)
    with pytest.raises(JobCancelled):
        Echo().run([Job("echo", {"seconds": 3600})], Listener(cancel_after=3))


def test_it_takes_any_parameter() -> None:
    params = {"anything": {"deep": [None]}, "seconds": 1.5}
    assert echo_task().validate(params) == params


@pytest.mark.parametrize("seconds", [-1, "1", None, 1e9, float("nan"), True])
def test_it_takes_no_seconds_that_are_none(seconds: Any) -> None:
    with pytest.raises(InvalidParams, match=r"params\.seconds: "):
        echo_task().validate({"seconds": seconds})


@pytest.mark.parametrize("seconds", [120, 120.5, 86399])
def test_it_sleeps_for_less_than_an_attempt_may_take(seconds: float) -> None:
    with pytest.raises(InvalidParams, match=r"^params\.seconds: must be less than the 120 s .*FARM_JOB_TIMEOUT"):
        echo_task().validate({"seconds": seconds})
    assert echo_task().validate({"seconds": 119.9})
