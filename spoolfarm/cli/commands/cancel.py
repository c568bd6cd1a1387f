"""The verb `cancel`: queued and running jobs ended."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from spoolfarm.cli.commands import chosen, each, open_farm, takes_jobs
from spoolfarm.errors import FarmError, UnknownJob

if TYPE_CHECKING:
    from spoolfarm.farm.farm import Farm

TEXT = "cancel jobs that are queued or running"

takes = takes_jobs


def run(options: argparse.Namespace) -> int:
    """Cancel queued and running jobs."""
    with open_farm() as farm:

        def one(job_id: str) -> None:
            if farm.cancel(job_id):
                print(f"{job_id} {'will stop within seconds' if _runs(farm, job_id) else 'cancelled'}")
            elif not options.all:
                raise FarmError(f"job {job_id} has ended already")

        return each(chosen(options, farm.unfinished), one)


def _runs(farm: Farm, job_id: str) -> bool:
    try:
        return bool(farm.record(job_id)["status"] == "running")
    except UnknownJob:
        return False  # a caller that waited for it has seen that it is over
