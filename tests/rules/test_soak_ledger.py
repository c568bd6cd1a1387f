"""The ledger of the soak finds what a farm that breaks its promises does."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from benchmarks.soak_ledger import Item, Ledger
from benchmarks.soak_tasks import BAD, GOOD, POISON


def record(status: str, finished: float, said: str = "", code: str = "") -> dict[str, object]:
    """What the farm would say of a job that has ended."""
    return {"status": status, "finished": finished, "result": {"digest": said}, "code": code}


def ends_twice(ledger: Ledger, item: Item) -> None:
    ledger.answer(item, "succeeded", item.digest)
    ledger.answer(item, "succeeded", item.digest)


def has_another_end_later(ledger: Ledger, item: Item) -> None:
    promise = ledger.promise(item, "a")
    ledger.see(promise, record("succeeded", 1.0, item.digest))
    ledger.see(promise, record("failed", 2.0, code="worker_died"))


def is_two_jobs(ledger: Ledger, item: Item) -> None:
    ledger.promise(item, "a")
    ledger.promise(item, "b")


def says_something_else(ledger: Ledger, item: Item) -> None:
    ledger.answer(item, "succeeded", "something else")


def fails_for_no_reason(ledger: Ledger, item: Item) -> None:
    ledger.answer(item, "task_error")


def is_cancelled_by_nobody(ledger: Ledger, item: Item) -> None:
    ledger.see(ledger.promise(item, "a"), record("cancelled", 1.0))


def begins_an_attempt_twice(ledger: Ledger, item: Item) -> None:
    ledger.check_runs([f"a 1 {item.name}", f"a 1 {item.name}"], 3)


def runs_as_two_jobs(ledger: Ledger, item: Item) -> None:
    ledger.check_runs([f"a 1 {item.name}", f"b 1 {item.name}"], 3)


def is_tried_too_often(ledger: Ledger, item: Item) -> None:
    ledger.check_runs([f"a 4 {item.name}"], 3)


@pytest.mark.parametrize(
    ("breach", "kind"),
    [
        (ends_twice, "doubled"),
        (has_another_end_later, "doubled"),
        (is_two_jobs, "doubled"),
        (says_something_else, "wrong"),
        (fails_for_no_reason, "wrong"),
        (is_cancelled_by_nobody, "wrong"),
        (begins_an_attempt_twice, "doubled"),
        (runs_as_two_jobs, "doubled"),
        (is_tried_too_often, "wrong"),
    ],
    ids=lambda each: getattr(each, "__name__", each),
)
def test_the_ledger_finds_a_job_that(breach: Callable[[Ledger, Item], None], kind: str) -> None:
    ledger = Ledger()
    breach(ledger, ledger.item("jobs", Random(1), {GOOD: 1}))
    assert dict(ledger.wrong) == {kind: 1}, ledger.violations


def test_the_ledger_is_content_with_a_farm_that_keeps_its_word() -> None:
    ledger, random = Ledger(), Random(2)
    good, bad, poison = (ledger.item("jobs", random, {manner: 1}) for manner in (GOOD, BAD, POISON))
    for item, ended in [
        (good, record("succeeded", 1.0, good.digest)),
        (bad, record("failed", 2.0, code="task_error")),
        (poison, record("failed", 3.0, code="worker_died")),
    ]:
        promise = ledger.promise(item, item.name)
        assert promise in ledger.open_promises()
        ledger.see(promise, ended)
        ledger.see(promise, ended)
    assert ledger.check_runs([f"a 1 {good.name}", f"b 1 {poison.name}", f"b 2 {poison.name}"], 3) == 3
    assert not ledger.open_promises()
    assert not ledger.violations
