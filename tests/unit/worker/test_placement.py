"""Placement: tasks that need the same share an actor, and actors go where jobs wait."""

from __future__ import annotations

import random

import pytest

from spoolfarm.worker.executors.placement import Demand, Group, chosen, grouped, needed_elsewhere

NEEDS = {"segment": {"GPU": 1.0, "CPU": 2.0}, "ocr": {"CPU": 1.0}, "orient": {"CPU": 2.0, "GPU": 1.0}}
NET, READ = grouped(["segment", "ocr", "echo", "orient"], NEEDS)


def test_tasks_that_need_the_same_share_an_actor_and_one_cpu_is_usual() -> None:
    assert (NET.tasks, READ.tasks) == (("segment", "orient"), ("ocr", "echo"))
    assert NET.options() == {"num_cpus": 2, "num_gpus": 1}
    assert READ.options() == {"num_cpus": 1}
    assert Group((), {"scanner": 1.0, "memory": 2e9}).options() == {
        "num_cpus": 0,
        "memory": 2e9,
        "resources": {"scanner": 1},
    }
    assert str(NET) == "GPU 1, CPU 2"


@pytest.mark.parametrize(
    ("waiting", "ready", "unplaced", "wanted"),
    [
        ({"ocr": 3}, {}, None, READ),
        ({"ocr": 3, "orient": 9}, {}, None, NET),
        ({"ocr": 3, "orient": 9}, {"orient": 5, "segment": 5}, None, READ),
        ({}, {"ocr": 1}, None, NET),
        ({"orient": 9}, {}, NET, READ),
    ],
)
def test_an_actor_is_for_the_tasks_with_most_jobs_a_worker(
    waiting: dict[str, int], ready: dict[str, int], unplaced: Group | None, wanted: Group
) -> None:
    assert chosen([NET, READ], Demand(waiting, ready), unplaced) == wanted


def test_workers_that_start_together_do_not_all_take_the_same_tasks() -> None:
    random.seed(1)
    assert len({chosen([NET, READ], Demand({}, {})).tasks for _ in range(20)}) == 2


def test_an_idle_worker_goes_where_jobs_wait_but_never_the_last_one() -> None:
    random.seed(1)
    waits = {"ocr": 4}
    assert not needed_elsewhere(NET, [NET, READ], Demand(waits, {"segment": 1}))
    assert not needed_elsewhere(NET, [NET, READ], Demand({}, {"segment": 3}))
    assert not needed_elsewhere(NET, [NET, READ], Demand(waits | {"segment": 1}, {"segment": 3}))
    assert 20 < sum(needed_elsewhere(NET, [NET, READ], Demand(waits, {"segment": 3})) for _ in range(100)) < 50
