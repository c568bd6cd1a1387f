"""An actor without a cluster: how what its tasks say reaches the worker, which calls it from other threads."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from spoolfarm import config
from spoolfarm.spool.job import Job
from spoolfarm.tasks import Limits
from spoolfarm.worker.executors.actor import Actor, Equipment, order
from spoolfarm.worker.executors.outcomes import unpacked
from tests.support import cluster_tasks


@pytest.fixture
def calls() -> Iterator[ThreadPoolExecutor]:
    """The threads in which an actor is called."""
    with ThreadPoolExecutor(3) as made:
        yield made


@pytest.fixture
def actor(monkeypatch: pytest.MonkeyPatch) -> Actor:
    monkeypatch.setenv("FARM_TASKS", cluster_tasks.PATHS)
    settings = config.load()
    made = Actor(Equipment(("speaks",), settings.tasks, settings.by_name()))
    assert made.setup() == ({}, {"speaks": 1})
    return made


def speaks(number: int, until: Path | str = "") -> bytes:
    """The order of a batch that says something, waits for a file, and ends."""
    params = {"until": str(until), "refuse": False, "fail": False, "nothing": False}
    return order(number, "speaks", [Job("speaks", params, ())], Limits())


def kinds(said: Any) -> list[str]:
    return [kind for kind, _ in said]


def test_a_short_batch_is_one_call(actor: Actor) -> None:
    said, [outcome] = pickle.loads(actor.run(speaks(1)))
    assert kinds(said) == ["log", "progress"]
    assert unpacked(outcome).value["bytes"] == 0


def test_what_a_batch_says_is_heard_at_once_and_told_once(
    actor: Actor, calls: ThreadPoolExecutor, tmp_path: Path
) -> None:
    heard = calls.submit(actor.hear, 1)  # it may overtake the order
    ran = calls.submit(actor.run, speaks(1, tmp_path / "go"))
    said = kinds(pickle.loads(heard.result(20)))
    while len(said) < 2:
        said += kinds(pickle.loads(calls.submit(actor.hear, 1).result(20)))
    assert said == ["log", "progress"]
    last = calls.submit(actor.hear, 1)
    (tmp_path / "go").touch()
    assert pickle.loads(last.result(20)) == []
    assert pickle.loads(ran.result(20))[0] == []


def test_a_cancel_reaches_the_batch_that_it_is_for_and_no_other(
    actor: Actor, calls: ThreadPoolExecutor, tmp_path: Path
) -> None:
    first = calls.submit(actor.run, speaks(1, tmp_path / "never"))
    actor.cancel(1)
    assert ended(first) == "JobCancelled"
    second = calls.submit(actor.run, speaks(2, tmp_path / "go"))
    assert pickle.loads(actor.hear(2))
    actor.cancel(1)  # late
    (tmp_path / "go").touch()
    assert ended(second) == "Answer"


def ended(ran: Future[bytes]) -> str:
    """The type of the outcome."""
    _, [outcome] = pickle.loads(ran.result(20))
    return type(unpacked(outcome)).__name__
