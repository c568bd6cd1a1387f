"""The verb `tasks`: what this farm can do, and what keeps it from doing the rest."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from spoolfarm.cli.commands import open_farm, say_json, takes_json

if TYPE_CHECKING:
    from spoolfarm.farm.farm import Farm

TEXT = "list what this farm can do"


def takes(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    takes_json(parser)


def run(options: argparse.Namespace) -> int:
    """List the tasks."""
    with open_farm() as farm:
        found = list(_tasks(farm))
    width = max((len(each["name"]) for each in found), default=0)
    for each in found:
        why = f": {each['problem']}" if each["problem"] else f"  {each['description'].partition('. ')[0].rstrip('.')}"
        say_json(each) if options.json else print(f"{each['name']:{width}}  {each['state']}{why}")
    return 0


def _tasks(farm: Farm) -> Iterator[dict[str, Any]]:
    """Each task with its `state`: ready, paused, waiting for a worker, disabled or not installed."""
    ready = {task for worker in farm.workers() for task in worker["tasks"]}
    disabled = farm.spool.disabled.all()
    for name in farm.tasks.usable():
        state = "disabled" if name in disabled else "ready" if name in ready else "waits for a worker"
        state = "paused" if state == "ready" and farm.pauses.on(name) else state
        about = farm.tasks.get(name).describe()
        yield {"name": name, "state": state, "problem": disabled.get(name, ""), **about}
    for state, problems in (("disabled", farm.tasks.broken()), ("not installed", farm.tasks.absent())):
        for name, problem in sorted(problems.items()):
            yield {"name": name, "state": state, "problem": problem, "description": ""}
