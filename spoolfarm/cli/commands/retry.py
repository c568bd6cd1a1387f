"""The verb `retry`: dead letters queued again."""

from __future__ import annotations

import argparse

from spoolfarm.cli.commands import chosen, each, open_farm, takes_jobs

TEXT = "queue jobs that failed for good again"

takes = takes_jobs


def run(options: argparse.Namespace) -> int:
    """Queue dead letters again."""
    with open_farm() as farm:

        def one(job_id: str) -> None:
            print(f"{farm.retry(job_id).id} queued")

        return each(chosen(options, farm.dead_letters), one)
