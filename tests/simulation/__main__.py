"""Runs schedules: `python -m tests.simulation --seeds 0:1000`, or one with its trace: `--seed 17`."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

from tests.simulation import options
from tests.simulation.kernel import Kernel
from tests.simulation.schedule import Outcome, play

#: The lines of the trace that lead to a violation.
LAST = 80


def main(words: Sequence[str] | None = None) -> int:
    """0 when every law held."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, help="one schedule, with the calls that led to its violation")
    parser.add_argument("--seeds", default="0:2000", help="many schedules: from the first seed to before the second")
    parser.add_argument("--last", type=int, default=LAST, help="how many lines of the trace to print")
    parser.add_argument("--most", type=int, default=10, help="stop after so many violations")
    options.add_to(parser)
    arguments = parser.parse_args(words)
    kernel = Kernel()
    with kernel.installed():
        if arguments.seed is not None:
            return int(show(play(kernel, options.given(arguments.seed, arguments), trace=True), arguments.last))
        first, _, end = arguments.seeds.partition(":")
        return many(kernel, range(int(first), int(end)), arguments)


def many(kernel: Kernel, seeds: range, arguments: argparse.Namespace) -> int:
    """Run a schedule for each of *seeds*; return 1 when there was a violation."""
    begin = time.process_time()
    steps = kills = errors = jobs = found = done = 0
    for seed in seeds:
        outcome = play(kernel, options.given(seed, arguments))
        done, steps, jobs = done + 1, steps + outcome.steps, jobs + outcome.jobs
        kills, errors = kills + outcome.kills, errors + outcome.errors
        if outcome.violation:
            found += 1
            print(f"{outcome.violation}\n  python -m tests.simulation {outcome.options}", flush=True)
            if found >= arguments.most:
                break
    took = time.process_time() - begin
    print(
        f"{done} schedules, {steps} calls, {jobs} jobs, {kills} kills, {errors} errors, {found} violations; "
        f"{took:.1f} s of CPU, {done / took:.0f} schedules a second"
    )
    return int(found > 0)


def show(outcome: Outcome, last: int) -> bool:
    """Print a schedule's end; return whether a law was broken."""
    print("\n".join(outcome.trace[-last:]))
    print(f"{outcome.steps} calls, {outcome.jobs} jobs, {outcome.kills} kills, {outcome.errors} errors")
    print(outcome.violation or "every law held")
    return outcome.violation is not None


if __name__ == "__main__":
    sys.exit(main())
