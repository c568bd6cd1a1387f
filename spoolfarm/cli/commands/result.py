"""The verb `result`: the result of one job."""

from __future__ import annotations

import argparse

from spoolfarm.cli.arguments import seconds
from spoolfarm.cli.commands import ended_record, open_farm, outcome, say_json, text_of
from spoolfarm.errors import FarmError

TEXT = "print the result of a job"


def takes(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("id", metavar="ID")
    parser.add_argument("--wait", metavar="SECONDS", type=seconds, default=0.0, help="wait so long for its end")
    parser.add_argument("--text", action="store_true", help="print only the text in the result")


def run(options: argparse.Namespace) -> int:
    """The result of one job."""
    with open_farm() as farm:
        record = ended_record(farm, options.id, options.wait)
    value = outcome(record)
    if not options.text:
        say_json(value)
    elif (text := text_of(value)) is not None:
        print(text)
    else:
        raise FarmError(f"the result of task {record['task']} has no text", hint="leave --text away")
    return 0
