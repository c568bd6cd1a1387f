"""The verb `resume`: paused jobs done again."""

from __future__ import annotations

import argparse

from spoolfarm.cli.commands import each, open_farm
from spoolfarm.errors import FarmError
from spoolfarm.spool.paused import ALL

TEXT = "have paused jobs done again"


def takes(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("tasks", metavar="TASK", nargs="*", help="the tasks to resume (default: all that is paused)")


def run(options: argparse.Namespace) -> int:
    """Resume tasks, or everything."""
    with open_farm() as farm:

        def one(task: str) -> None:
            farm.pauses.resume(task)
            if ALL in farm.pauses.names():
                hint = "`spoolfarm resume` alone resumes everything"
                raise FarmError(f"{task} still waits, as the whole queue is paused", hint=hint)
            print(f"{task} resumed")

        if options.tasks:
            return each(options.tasks, one)
        farm.pauses.resume()
        print("resumed")
        return 0
