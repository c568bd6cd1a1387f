"""The verb `top`: the farm at work, live."""

from __future__ import annotations

import argparse

from spoolfarm.cli.commands import open_farm

TEXT = "watch the farm at work: the queue, the workers and how fast they are"


def takes(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("--once", action="store_true", help="print one picture and end, as in a pipe")


def run(options: argparse.Namespace) -> int:
    """Show the farm until q or Ctrl-C."""
    from spoolfarm.cli import top

    with open_farm() as farm:
        top.watch(farm, once=options.once)
    return 0
