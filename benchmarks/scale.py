"""What a cluster costs a job, and how far it carries: `python -m benchmarks.scale --help`.

A job that does nothing, in a worker, in a plain Ray actor, and in an actor that a worker owns, all in one run; jobs
that wait over more and more actors; and the memory of what waits. Everything runs on this machine: what a network adds,
and what more cores give, must be measured where they are.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.measure import (
    MEMORY,
    Comparison,
    Figure,
    Target,
    machine,
    percentile,
    print_table,
    pss_mb,
    report,
    scratch,
    stop_on_sigterm,
)
from benchmarks.peers.farm import launch
from benchmarks.peers.ray import Echo, Node
from spoolfarm import Farm

#: Where a job runs.
LOCAL, PLAIN, OWNED = "spoolfarm, in the worker", "a plain Ray actor", "spoolfarm, on Ray"
#: Round trips that are measured, and those before them.
TRIPS, WARM = 1000, 100
#: What a job brings along.
PAYLOAD = b"x" * 1024
#: Actors over which jobs that wait are spread, how long each waits, and jobs for each actor.
COUNTS, SECONDS, EACH = (4, 16, 64), 0.1, 40
#: Seconds until so many workers are ready.
READY = 300.0
FIGURES = (Figure("p50", "p50 ms", 2), Figure("p99", "p99 ms", 2), Figure("cpu", "CPU ms/trip", 2))


@contextmanager
def staffed(node: Node, home: Path, workers: int, executor: str) -> Iterator[Farm]:
    """A farm with so many workers."""
    os.environ |= {"FARM_EXECUTOR": executor, "FARM_RAY_ADDRESS": node.address, **node.environment}
    os.environ |= {"FARM_ENABLE": "echo", "FARM_SIMULATIONS": "0", "FARM_DOCUMENTS": "0"}
    service, _ = launch(home, workers)
    farm = Farm(spool_dir=home / "spool", results_dir=home / "results")
    try:
        service.wait_until(lambda: len(farm.workers()) == workers, READY)
        yield farm
    finally:
        farm.close()
        service.stop()


def trips(node: Node, call: Any) -> dict[str, float]:
    """Round trips of *call*, one after the other."""
    for _ in range(WARM):
        call()
    times = []
    before = node.cpu_seconds()
    for _ in range(TRIPS):
        begin = time.perf_counter()
        assert call()["bytes"] == len(PAYLOAD)
        times.append((time.perf_counter() - begin) * 1000)
    cpu = (node.cpu_seconds() - before) * 1000 / TRIPS
    return {"p50": median(times), "p99": percentile(times, 99), "cpu": cpu}


def overhead(node: Node, rounds: int) -> Comparison:
    """A job that does nothing, at its three places."""
    os.environ |= node.environment
    import ray  # it reads its environment when it is loaded

    def trial(name: str) -> dict[str, float]:
        if name == PLAIN:
            ray.init(node.address, log_to_driver=False, logging_level="ERROR")
            actor = ray.remote(max_restarts=0)(Echo).remote()
            try:
                return trips(node, lambda: ray.get(actor.run.remote(PAYLOAD)))
            finally:
                ray.shutdown()
        with scratch(MEMORY) as home, staffed(node, home, 1, "ray" if name == OWNED else "local") as farm:
            return trips(node, lambda: farm.call("echo", PAYLOAD, timeout=60))

    done = Comparison(FIGURES, PLAIN)
    done.run([LOCAL, PLAIN, OWNED], rounds, trial)
    done.show()
    return done


def spread(node: Node, count: int) -> dict[str, float]:
    """Jobs that wait, over *count* actors: jobs a second, the share of what as many would do at best, and memory."""
    with scratch(MEMORY) as home, staffed(node, home, count, "ray") as farm:
        actors = node.processes(b"ray::Actor")
        memory = {"actor_mb": median(map(pss_mb, actors))}
        memory["worker_mb"] = median(pss_mb(worker["pid"]) for worker in farm.workers())
        jobs = [b""] * (EACH * count)
        before, begin = node.cpu_seconds(), time.perf_counter()
        number = sum(1 for _ in farm.map("echo", jobs, seconds=SECONDS))
        seconds = time.perf_counter() - begin
        cpu = (node.cpu_seconds() - before) * 1000 / number
    rate = number / seconds
    return {"rate": rate, "share": rate * SECONDS / count, "cpu": cpu, **memory}


def main() -> int:
    """Measure, print and write the report."""
    parser = argparse.ArgumentParser(prog="benchmarks.scale", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--counts", type=int, nargs="*", default=list(COUNTS), help="numbers of actors")
    options = parser.parse_args()
    stop_on_sigterm()
    with ExitStack() as stack:
        home = stack.enter_context(TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True))
        node = Node(Path(home), max([4, *options.counts]))
        stack.callback(node.stop)
        compared = overhead(node, options.rounds)
        rows = {count: spread(node, count) for count in options.counts}
    titles = ["actors", "jobs/s", "of linear", "CPU ms/job", "MB an actor", "MB a worker"]
    keys = (("rate", 1), ("share", 2), ("cpu", 2), ("actor_mb", 0), ("worker_mb", 0))
    print_table(titles, [[str(count), *(f"{row[key]:.{n}f}" for key, n in keys)] for count, row in rows.items()])
    over = median(a - b for a, b in zip(compared.values(OWNED, "p50"), compared.values(PLAIN, "p50"), strict=True))
    targets = [
        Target("ms at p50 over a plain actor", over, 1.5),
        Target("CPU of a round trip beside that of a plain actor", compared.ratio(OWNED, "cpu"), 2.0),
        *(Target(f"of linear over {count} actors", row["share"], 0.9, at_most=False) for count, row in rows.items()),
    ]
    done = {"machine": machine(["ray"]), "overhead": compared.record(), "spread": rows}
    return report("scale", done, targets)


if __name__ == "__main__":
    sys.exit(main())
