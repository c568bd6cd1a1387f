"""The verb `status`: an overview, or the records of some jobs."""

from __future__ import annotations

import argparse

from spoolfarm.cli.commands import each, open_farm, say_json, takes_json
from spoolfarm.cli.overview import lines, overview, story

TEXT = "show what the farm does, or what is known of some jobs"


def takes(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("ids", metavar="ID", nargs="*")
    takes_json(parser)


def run(options: argparse.Namespace) -> int:
    """An overview, or what has happened to some jobs."""
    with open_farm() as farm:
        if not options.ids:
            seen = overview(farm)
            say_json(seen) if options.json else print("\n".join(lines(seen)))
            return 0

        def one(job_id: str) -> None:
            record = farm.record(job_id)
            say_json(record) if options.json else print("\n".join(story(record)))

        return each(options.ids, one)
