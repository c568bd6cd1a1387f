"""The verb `logs`: what a job said while it ran, and how its lost attempts ended."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from typing import Any

from spoolfarm.cli.commands import open_farm, say_json, takes_json
from spoolfarm.cli.overview import line

TEXT = "print what a job said while it ran"


def takes(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("id", metavar="ID")
    parser.add_argument("-f", "--follow", action="store_true", help="go on until the job has ended, and print how")
    takes_json(parser)


def run(options: argparse.Namespace) -> int:
    """Print a job's log; with --follow 0 means that it succeeded."""
    with open_farm() as farm:
        if not options.follow:
            for said in farm.log(options.id):
                _show(said, options)
            return 0
        for event in farm.follow(options.id):
            if event and "record" in event:
                record = event["record"]
                say_json(record) if options.json else print(line(record))
                return int(record["status"] != "succeeded")
            if event and "at" in event:
                _show(event, options)
    return 1


def _show(said: Mapping[str, Any], options: argparse.Namespace) -> None:
    if options.json:
        say_json({name: value for name, value in said.items() if name != "next"})
        return
    clock = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(said["at"]))
    print(f"{clock}  {said['log'] if 'log' in said else format(said.get('progress', 0), '.0%')}", flush=True)
