"""The verb `submit`: one job for each file, queued or waited for."""

from __future__ import annotations

import argparse
import os
import stat
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from spoolfarm.cli.arguments import seconds
from spoolfarm.cli.commands import (
    checked_params,
    complain,
    ended_record,
    open_farm,
    outcome,
    say_json,
    takes_json,
    takes_params,
    text_of,
)
from spoolfarm.errors import FarmError, InvalidRequest, SpoolFull, SpoolUnavailable
from spoolfarm.spool.job import FIRST, LAST, NORMAL
from spoolfarm.spool.record import FOREVER

if TYPE_CHECKING:
    from spoolfarm.farm.farm import Farm

#: What is wrong with the next file as well.
NO_ROOM = (SpoolFull, SpoolUnavailable)

TEXT = "queue one job for each file and print the ids, or wait and print the results"


def takes(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("task", metavar="TASK", help="ocr, segment, ...; a wrong name is answered with the right ones")
    parser.add_argument("files", metavar="FILE", nargs="*", help="a picture; - reads standard input")
    takes_params(parser)
    parser.add_argument(
        "--priority", metavar="0..9", type=int, choices=range(FIRST, LAST + 1), default=NORMAL, help="0 is done first"
    )
    text = "print the results, waiting so long at most, without SECONDS until they are there"
    parser.add_argument("--wait", metavar="SECONDS", nargs="?", type=seconds, const=FOREVER, help=text)
    takes_json(parser)


def run(options: argparse.Namespace) -> int:
    """One job for each file; print the ids, or with --wait the results."""
    with open_farm(make=None) as farm:  # in a checkout jobs may wait for its first start
        _, params = checked_params(options, farm.tasks)  # an error that affects every file is reported once
        failed = False
        jobs: list[tuple[str, str]] = []
        for name in options.files or [""]:
            try:
                pictures = [_read(name)] if name else []
                about = {"priority": options.priority, "name": "" if name == "-" else os.path.basename(name)}
                job = farm.prepare(options.task, pictures, params, durable=True, **about)
                jobs.append((name, farm.put(job).id))
            except (FarmError, OSError) as error:
                complain(error, name)
                failed = True
                if isinstance(error, NO_ROOM):
                    break
                continue
            if options.wait is None:
                queued = {"id": job.id, "task": job.task, "status": "queued", **_file(name)}
                say_json(queued) if options.json else print(job.id)
        if options.wait is not None:
            failed |= not _show_all(farm, jobs, options)
    return int(failed)


def _read(name: str) -> bytes:
    if name == "-":
        return sys.stdin.buffer.read()
    with open(name, "rb") as file:
        if stat.S_ISCHR(os.fstat(file.fileno()).st_mode):
            raise InvalidRequest(f"{name}: is a device, and may have no end")
        return file.read()


def _file(name: str) -> dict[str, str]:
    return {"file": name} if name else {}


def _show_all(farm: Farm, jobs: Sequence[tuple[str, str]], options: argparse.Namespace) -> bool:
    """Wait for each job and print how it ended, in the order of the files; say whether all succeeded."""
    end = time.monotonic() + options.wait
    good = True
    for name, job_id in jobs:
        try:
            record = ended_record(farm, job_id, end - time.monotonic())
            if options.json:
                say_json({**record, **_file(name)})
                good &= record["status"] == "succeeded"
                continue
            value = outcome(record)
        except FarmError as error:
            complain(error, name)
            good = False
            continue
        if len(jobs) > 1:
            print(f"==> {name} <==")
        text = text_of(value)
        say_json(value) if text is None else print(text)
    return good
