"""The verb `status`: an overview, or the records of some jobs."""

from __future__ import annotations

import argparse
import json

from spoolfarm.cli.commands import each, open_farm, takes_json
from spoolfarm.cli.overview import line, lines, overview

TEXT = "show what the farm does, or what is known of some jobs"


def takes(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("ids", metavar="ID", nargs="*")
    takes_json(parser)


def run(options: argparse.Namespace) -> int:
    """An overview, or the records of some jobs."""
    with open_farm() as farm:
        if not options.ids:
            seen = overview(farm)
            print(json.dumps(seen, ensure_ascii=False) if options.json else "\n".join(lines(seen)))
            return 0

        def one(job_id: str) -> None:
            record = farm.record(job_id)
            print(json.dumps(record, ensure_ascii=False) if options.json else line(record))

        return each(options.ids, one)
