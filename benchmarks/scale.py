"""What a cluster costs a job, and how far it carries: `python -m benchmarks.scale --help`.

A job that does nothing, in a worker, in a plain Ray actor, and in an actor that a worker owns, all in one run; jobs
that wait, over more and more of each; and the CPU and memory of what waits for jobs. Everything runs on this machine:
what a network adds, and what more cores give, must be measured where they are.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from subprocess import PIPE
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.measure import (
    MEMORY,
    ROOT,
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
from benchmarks.peers.ray import Echo, Node, burst
from spoolfarm import Farm

#: Where a job runs.
LOCAL, PLAIN, OWNED = PLACES = "spoolfarm, in the worker", "a plain Ray actor", "spoolfarm, on Ray"
#: What a farm on Ray is without its spool: as many processes as actors.
PAIRS = "a plain Ray actor and its caller"
#: Round trips that are measured, and those before them.
TRIPS, WARM = 1000, 100
#: What a job brings along.
PAYLOAD = b"x" * 1024
#: Actors over which jobs that wait are spread, how long each waits, and jobs for each actor.
COUNTS, SECONDS, EACH = (4, 16, 64), 0.1, 40
#: Seconds for which the CPU of those that wait for jobs is measured, and before that, in which they come to rest.
REST, SETTLE = 5.0, 3.0
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


@contextmanager
def joined(node: Node, count: int) -> Iterator[list[Any]]:
    """So many plain actors of this process."""
    os.environ |= node.environment
    import ray  # it reads its environment when it is loaded

    ray.init(node.address, log_to_driver=False, logging_level="ERROR")
    try:
        actors = [ray.remote(max_restarts=0)(Echo).remote() for _ in range(count)]
        ray.get([actor.run.remote(b"") for actor in actors])
        yield actors
    finally:
        ray.shutdown()


@contextmanager
def paired(node: Node, count: int) -> Iterator[Callable[[], int]]:
    """So many plain actors, each with a process of its own; the call has them do their jobs."""
    command = [sys.executable, "-m", "benchmarks.peers.ray_pairs", node.address, str(count), str(EACH), str(SECONDS)]
    environment = {**os.environ, **node.environment}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdin=PIPE, stdout=PIPE, text=True) as pairs:
        assert pairs.stdout is not None
        said = pairs.stdout

        def work() -> int:
            print(file=pairs.stdin, flush=True)
            assert "done\n" in said
            return EACH * count

        assert "ready\n" in said
        yield work


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

    def trial(name: str) -> dict[str, float]:
        if name == PLAIN:
            with joined(node, 1) as [actor]:
                import ray

                return trips(node, lambda: ray.get(actor.run.remote(PAYLOAD)))
        with scratch(MEMORY) as home, staffed(node, home, 1, "ray" if name == OWNED else "local") as farm:
            return trips(node, lambda: farm.call("echo", PAYLOAD, timeout=60))

    done = Comparison(FIGURES, PLAIN)
    done.run(PLACES, rounds, trial)
    done.show()
    return done


def spread(node: Node, count: int, name: str) -> dict[str, float]:
    """Jobs that wait, over *count* workers or actors: jobs a second, the share of what as many would do at best, CPU.

    A farm says how much memory its processes take, too.
    """
    if name == PLAIN:
        with joined(node, count) as actors:
            return waiting(node, count, lambda: burst(actors, EACH * count, SECONDS))
    if name == PAIRS:
        with paired(node, count) as work:
            return waiting(node, count, work)
    with scratch(MEMORY) as home, staffed(node, home, count, "ray" if name == OWNED else "local") as farm:
        jobs = [b""] * (EACH * count)
        done = waiting(node, count, lambda: sum(1 for _ in farm.map("echo", jobs, seconds=SECONDS)))
        workers = farm.workers()
        done["worker_mb"] = median(pss_mb(worker["pid"]) for worker in workers)
        if name == OWNED:
            done["actor_mb"] = median(pss_mb(worker["actor_pid"]) for worker in workers)
        return done


def waiting(node: Node, count: int, work: Callable[[], int]) -> dict[str, float]:
    """What *count* of them take at rest, in cores, and then what *work* does with them, which says how many jobs."""
    time.sleep(SETTLE)
    before = node.cpu_seconds()
    time.sleep(REST)
    rest = (node.cpu_seconds() - before) / REST
    before, begin = node.cpu_seconds(), time.perf_counter()
    number = work()
    seconds = time.perf_counter() - begin
    cpu = (node.cpu_seconds() - before) * 1000 / number
    return {"rate": number / seconds, "share": number / seconds * SECONDS / count, "cpu": cpu, "rest": rest}


def print_spread(rows: Mapping[int, Mapping[str, Mapping[str, float]]]) -> None:
    """A row for each number of actors and each place."""
    titles = ["over", "jobs/s", "of linear", "CPU ms/job", "cores at rest", "MB an actor", "MB a worker"]
    keys = (("rate", 1), ("share", 2), ("cpu", 2), ("rest", 2), ("actor_mb", 0), ("worker_mb", 0))
    print_table(
        titles,
        [
            [f"{count} x {name}", *(f"{row[key]:.{n}f}" if key in row else "" for key, n in keys)]
            for count, named in rows.items()
            for name, row in named.items()
        ],
    )


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
        rows = {
            count: {name: spread(node, count, name) for name in (LOCAL, PLAIN, PAIRS, OWNED)}
            for count in options.counts
        }
    print_spread(rows)
    over = median(a - b for a, b in zip(compared.values(OWNED, "p50"), compared.values(PLAIN, "p50"), strict=True))
    targets = [
        Target("ms at p50 over a plain actor", over, 1.5),
        Target("CPU of a round trip beside that of a plain actor", compared.ratio(OWNED, "cpu"), 2.0),
        *(Target(f"of linear over {n} actors", row[OWNED]["share"], 0.9, at_most=False) for n, row in rows.items()),
    ]
    done = {"machine": machine(["ray"]), "overhead": compared.record(), "spread": rows}
    return report("scale", done, targets)


if __name__ == "__main__":
    sys.exit(main())
