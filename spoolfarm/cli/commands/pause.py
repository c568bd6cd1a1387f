"""The verb `pause`: jobs accepted and left waiting, of some tasks or of all."""

from __future__ import annotations

import argparse

from spoolfarm.cli.commands import each, open_farm

TEXT = "have jobs wait, of one task or of all, until they are resumed"


def takes(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("tasks", metavar="TASK", nargs="*", help="the tasks to pause (default: the whole queue)")


def run(options: argparse.Namespace) -> int:
    """Pause tasks, or the whole queue."""
    with open_farm() as farm:

        def one(task: str) -> None:
            farm.pauses.pause(task)
            print(f"{task} paused; running jobs are finished, others wait")

        if options.tasks:
            return each(options.tasks, one)
        farm.pauses.pause()
        print("the whole queue paused; running jobs are finished, others wait")
        return 0
