"""Placement: which tasks an actor holds, by what each of them needs on its node and by what waits."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

#: What a task needs that FARM_RAY_RESOURCES does not name.
USUAL: Mapping[str, float] = {"CPU": 1}
#: How Ray names as options of an actor what it counts itself.
OPTIONS = {"CPU": "num_cpus", "GPU": "num_gpus", "memory": "memory"}


@dataclass(frozen=True, slots=True)
class Group:
    """Tasks that need the same, so that one actor holds them all."""

    tasks: tuple[str, ...]
    needs: Mapping[str, float]

    def options(self) -> dict[str, Any]:
        """The needs as options of an actor."""
        own = {name: amount for name, amount in self.needs.items() if name not in OPTIONS}
        counted = {OPTIONS[name]: amount for name, amount in self.needs.items() if name in OPTIONS}
        return {"num_cpus": 0, **counted, **({"resources": own} if own else {})}

    def __str__(self) -> str:
        return ", ".join(f"{name} {amount:g}" for name, amount in self.needs.items())


@dataclass(frozen=True, slots=True)
class Demand:
    """By task, how many jobs wait, and how many workers are ready for it."""

    waiting: Mapping[str, int]
    ready: Mapping[str, int]

    def of(self, group: Group) -> float:
        """Jobs that wait for *group*, for each worker there would be."""
        return sum(self.waiting.get(task, 0) for task in group.tasks) / (1 + self.staff(group))

    def staff(self, group: Group) -> int:
        """Workers that are ready for *group*."""
        return max((self.ready.get(task, 0) for task in group.tasks), default=0)


def grouped(tasks: Sequence[str], needs: Mapping[str, Mapping[str, float]]) -> list[Group]:
    """*tasks* in groups that need the same."""
    found: list[Group] = []
    for task in tasks:
        needed = needs.get(task, USUAL)
        for at, group in enumerate(found):
            if group.needs == needed:
                found[at] = replace(group, tasks=(*group.tasks, task))
                break
        else:
            found.append(Group((task,), needed))
    return found


def chosen(groups: Sequence[Group], demand: Demand, unplaced: Group | None = None) -> Group:
    """The group that a new actor is for: where most jobs wait for each worker, else where there are fewest workers.

    The one that found no node just now comes last.
    """
    order = random.sample(groups, len(groups))  # workers that start together do not all take the same
    return min(order, key=lambda group: (group == unplaced, -demand.of(group), demand.staff(group)))


def needed_elsewhere(group: Group, groups: Sequence[Group], demand: Demand) -> bool:
    """Whether one of the idle workers of *group* would better be for another; its last worker stays."""
    staff = demand.staff(group)
    if staff < 2 or demand.of(group):
        return False
    return any(demand.of(other) for other in groups if other != group) and random.random() < 1 / staff
