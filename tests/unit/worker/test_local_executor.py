"""The local executor: whatever a task raises or returns ends its own job, and no other."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, cast

import pytest

from spoolfarm.spool.job import Job
from spoolfarm.tasks import Context, Task
from spoolfarm.worker.executors.local import LocalExecutor, text_of

#: No task here asks for anything.
NOTHING = cast(Context, None)


class Panic(BaseException):
    """What a library in another language raises when it gives up."""


class Dumb(Exception):
    """Cannot say what it is."""

    def __str__(self) -> str:
        raise Panic


def raising(error: BaseException) -> Callable[[], Any]:
    def act() -> Any:
        raise error

    return act


def refuse_arguments() -> Any:
    argparse.ArgumentParser("tool").parse_args(["--nope"])


class Acting(Task):
    """Does for each job what stands under its parameter."""

    max_batch: ClassVar[int] = 8
    acts: ClassVar[dict[str, Callable[[], Any]]] = {
        "fine": lambda: "fine",
        "cancelled": raising(asyncio.CancelledError()),
        "panic": raising(Panic("gave up")),
        "exit": lambda: sys.exit(3),
        "arguments": refuse_arguments,
        "interrupt": raising(KeyboardInterrupt()),
        "generator exit": raising(GeneratorExit()),
        "dumb": raising(Dumb()),
    }

    def run(self, batch: Sequence[Job], context: Context) -> list[Any]:
        return [self.acts[job.params["do"]]() for job in batch]


class Returning(Task):
    """Returns what it was made for, instead of a list."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def run(self, batch: Sequence[Job], context: Context) -> list[Any]:
        return cast(list[Any], self._value)


class Forking(Task):
    """Forks a child that exits in Python's way, and tells how that ended."""

    max_batch: ClassVar[int] = 8

    def run(self, batch: Sequence[Job], context: Context) -> list[Any]:
        child = os.fork()
        if not child:
            raise SystemExit(3)
        return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for _ in batch[:1]] * len(batch)


def run(task: Task, *acts: str) -> list[Any]:
    jobs = [Job("it", {"do": act}) for act in acts]
    return LocalExecutor({"it": task}).run("it", jobs, NOTHING)


@pytest.mark.parametrize("act", sorted(set(Acting.acts) - {"fine"}))
def test_whatever_is_raised_ends_the_job_that_raised_it_and_no_other(act: str) -> None:
    before, ended, after = run(Acting(), "fine", act, "fine")
    assert (before, after) == ("fine", "fine")
    assert isinstance(ended, BaseException)
    assert isinstance(text_of(ended), str)


def test_an_error_without_a_text_is_told_all_the_same() -> None:
    assert text_of(Dumb()) == "(no text, for asking for it raised Panic)"
    assert text_of(ValueError("why")) == "why"


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ({"text": "hello"}, "an object of type dict"),
        ("7", "an object of type str"),
        (b"7", "an object of type bytes"),
        ({7}, "an object of type set"),
        (7, "an object of type int"),
        (None, "None"),
        ((each for each in [7]), "an object of type generator"),
        ([], "0 results for 1 jobs"),
        ([7, 7], "2 results for 1 jobs"),
    ],
)
def test_a_result_of_the_wrong_shape_fails_its_job_and_says_what_is_right(value: Any, told: str) -> None:
    (ended,) = run(Returning(value), "fine")
    assert isinstance(ended, TypeError)
    assert str(ended) == (f"task it returned {told}; run must return a list with one result for each job, in order")


def test_each_job_of_a_batch_has_its_own_result() -> None:
    assert run(Acting(), "fine", "fine") == ["fine", "fine"]
    assert run(Returning((7,)), "fine") == [7]


def test_a_child_that_a_task_has_forked_runs_none_of_the_jobs_again() -> None:
    process = os.getpid()
    outcomes = run(Forking(), "fine", "fine")
    if os.getpid() != process:
        os._exit(len(outcomes) if isinstance(outcomes[0], SystemExit) else 0)
    assert outcomes == [1, 1]
