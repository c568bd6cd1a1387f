"""The verb `purge`: ended results and dead letters removed."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping, Sequence

from spoolfarm.cli.arguments import age
from spoolfarm.cli.commands import complain, open_farm
from spoolfarm.units import count

TEXT = "remove ended results and dead letters"


def takes(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("--results", action="store_true", help="only results")
    parser.add_argument("--dead", action="store_true", help="only dead letters")
    parser.add_argument("--older-than", metavar="AGE", type=age, help="only what is older: seconds, or 30m, 2h, 7d")
    parser.add_argument("--dry-run", action="store_true", help="say what would be removed, and remove nothing")


def run(options: argparse.Namespace) -> int:
    """Remove ended results and dead letters."""
    if not (options.results or options.dead or options.older_than is not None):
        options.refuse("say what to remove: --results, --dead, or --older-than AGE for both")
    both = not (options.results or options.dead)
    with open_farm() as farm:
        results = _past(options, farm.ended_jobs()) if options.results or both else []
        dead = _past(options, farm.dead_letters()) if options.dead or both else []
        wanted = len(results) + len(dead)
        if not options.dry_run:
            results = _removed(results, farm.remove_result)
            dead = _removed(dead, farm.remove_dead_letter)
    verb = "would remove" if options.dry_run else "removed"
    print(f"{verb} {count(len(results), 'result')} and {count(len(dead), 'dead letter')}")
    return int(len(results) + len(dead) < wanted)


def _removed(ids: Sequence[str], remove: Callable[[str], object]) -> list[str]:
    """Those of *ids* that could be removed; the others are named."""
    gone = []
    for job_id in ids:
        try:
            remove(job_id)
            gone.append(job_id)
        except OSError as error:
            complain(error, job_id)
    return gone


def _past(options: argparse.Namespace, ids: Mapping[str, float]) -> list[str]:
    """Those of *ids* that are older than --older-than says, by the time beside each."""
    latest = time.time() - (options.older_than or 0)
    return [job_id for job_id, ended in ids.items() if ended <= latest]
