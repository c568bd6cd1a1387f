"""The verb `jobs`: the jobs that fit, the newest first."""

from __future__ import annotations

import argparse
import time

from spoolfarm.cli.arguments import age, number
from spoolfarm.cli.commands import open_farm, say_json, takes_json
from spoolfarm.cli.overview import line
from spoolfarm.spool.job import State

TEXT = "list jobs, the newest first"

#: How many are shown unless told otherwise.
SHOWN = 20


def takes(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("--status", choices=[state.value for state in State], help="only those in this state")
    parser.add_argument("--task", metavar="TASK", help="only those of this task")
    parser.add_argument(
        "--source", metavar="WORD", help="only those that came by http, cli, python, inbox, batch or part"
    )
    parser.add_argument("--name", metavar="TEXT", default="", help="only those whose file has this in its name")
    parser.add_argument("--error", metavar="TEXT", default="", help="only those whose error has this in it")
    parser.add_argument("--id", metavar="TEXT", default="", help="only those whose id begins with this")
    text = "only those submitted in this time: seconds, or 30m, 2h, 7d"
    parser.add_argument("--since", metavar="AGE", type=age, help=text)
    parser.add_argument("--until", metavar="AGE", type=age, help="only those submitted before that: 1d, say")
    parser.add_argument("--limit", metavar="N", type=number, default=SHOWN, help="at most so many (%(default)s)")
    takes_json(parser)


def run(options: argparse.Namespace) -> int:
    """List jobs."""
    chosen = {each: vars(options)[each] for each in ("status", "task", "source", "name", "error", "id")}
    for each in ("since", "until"):
        ago = vars(options)[each]
        chosen[each] = None if ago is None else time.time() - ago
    with open_farm() as farm:
        for record in farm.jobs(limit=options.limit, **chosen):
            say_json(record) if options.json else print(line(record))
    return 0
