"""The spool beside other job queues, its claims at depth, and the farm at rest: `python -m benchmarks.spool --help`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean, median
from typing import Any

from benchmarks.measure import (
    MEMORY,
    OUT,
    ROOT,
    Comparison,
    Figure,
    Target,
    arguments,
    cpu_seconds,
    machine,
    print_table,
    pss_mb,
    report,
    scratch,
    stop_on_sigterm,
    tree,
)
from benchmarks.peers.farm import launch
from spoolfarm.spool import files
from spoolfarm.spool.job import Job, new_id
from spoolfarm.spool.lease import Lease, new_worker_id
from spoolfarm.spool.results import Results
from spoolfarm.spool.spool import Spool

#: Rows of the table: the queue of `benchmarks.peers.trial`, and the file system its files are on.
PEERS = {
    "huey-redis": ("huey-redis", MEMORY),
    "celery": ("celery", MEMORY),
    "rq": ("rq", MEMORY),
    "huey-file tmpfs": ("huey-file", MEMORY),
    "huey-file disk": ("huey-file", OUT),
    "spoolfarm tmpfs": ("spoolfarm", MEMORY),
    "spoolfarm disk": ("spoolfarm", OUT),
    "spoolfarm tmpfs, submit": ("spoolfarm-submit", MEMORY),
}
BASE = "huey-redis"
FIGURES = (
    Figure("p50_ms", "p50 ms", 2),
    Figure("p99_ms", "p99 ms", 2),
    Figure("jobs_s", "jobs/s", 0),
    Figure("cpu_ms", "CPU ms/job", 3),
    Figure("trip_cpu_ms", "CPU ms/trip", 3),
    Figure("pss_mb", "PSS MB", 0),
)
VERSIONS = ("huey", "redis", "hiredis", "celery", "rq")
#: Seconds one trial of one queue may take.
TRIAL = 300

#: Jobs in the shallow queue that a deep one is compared with.
SHALLOW = 1_000
#: Seconds over which the backlog of a busy half day comes in; at full speed it takes a minute.
HALF_DAY = 12 * 3600

#: Workers of the farm at rest, and the seconds it is given to come to rest.
IDLE_WORKERS, IDLE_SETTLE = 4, 3.0


# Beside the peers.


def compare(rounds: int, trips: int, jobs: int, chosen: list[str]) -> tuple[Comparison, list[Target]]:
    """Measure every queue in every round."""
    comparison = Comparison(FIGURES, BASE)
    comparison.run([BASE, *(peer for peer in chosen if peer != BASE)], rounds, lambda peer: trial(peer, trips, jobs))
    comparison.show()
    comparison.plot(OUT / "spool.png", "one machine, two workers, a job of 1 KB that does nothing")
    ratio = comparison.ratio
    targets = []
    if "spoolfarm tmpfs" in chosen:
        memory = "spoolfarm tmpfs"
        targets += [
            Target("tmpfs: p50 / huey-redis", ratio(memory, "p50_ms"), 1 / 3),
            Target("tmpfs: p99 / huey-redis", ratio(memory, "p99_ms"), 1),
            Target("tmpfs: CPU per job / huey-redis", ratio(memory, "cpu_ms"), 0.3),
            Target("tmpfs: jobs/s / huey-redis", ratio(memory, "jobs_s"), 4, at_most=False),
        ]
    if "spoolfarm tmpfs, submit" in chosen:
        submitted = ratio("spoolfarm tmpfs, submit", "jobs_s")
        targets.append(Target("tmpfs, submit: jobs/s / huey-redis", submitted, 4, at_most=False))
    if {"spoolfarm disk", "huey-file disk"} <= set(chosen):
        disk = "spoolfarm disk"
        targets += [
            Target("disk: p50 / huey-redis", ratio(disk, "p50_ms"), 1),
            Target("disk: jobs/s / huey-file disk", ratio(disk, "jobs_s", "huey-file disk"), 1, at_most=False),
        ]
    return comparison, targets


def trial(peer: str, trips: int, jobs: int) -> dict[str, float]:
    """One trial in a fresh process tree."""
    queue, home = PEERS[peer]
    command = (sys.executable, "-m", "benchmarks.peers.trial", queue, str(home))
    process = subprocess.Popen([*command, "--trips", str(trips), "--jobs", str(jobs)], cwd=ROOT, stdout=subprocess.PIPE)
    try:
        output, _ = process.communicate(timeout=TRIAL)
    except BaseException:
        process.terminate()  # not kill: it has processes to stop
        process.wait()
        raise
    if process.returncode:
        raise RuntimeError(f"the trial of {peer} failed with status {process.returncode}")
    figures: dict[str, float] = json.loads(output)
    return figures


# Claims at depth.


def depths(depth: int, claims: int, home: Path) -> tuple[dict[str, Any], list[Target]]:
    """Time claims from a shallow queue and from deep ones, of a burst and of half a day."""
    print(f"\nfilling queues of {SHALLOW} and twice {depth} jobs")
    found = {f"{SHALLOW}": shallow(claims, home)}
    burst, slow = f"{depth} in a burst", f"{depth} in half a day"
    found[burst] = deep(depth, claims, 0, home)
    found[f"{SHALLOW} again"] = shallow(claims, home)
    found[slow] = deep(depth, claims, HALF_DAY, home)
    rows = [
        [
            name,
            f"{fmean(times) * 1e6:.1f}",
            f"{median(times) * 1e6:.1f}",
            f"{times[0] * 1e3:.2f}",
            f"{max(times) * 1e3:.2f}",
        ]
        for name, times in found.items()
    ]
    print_table(["queued", "claim mean us", "p50 us", "first ms", "slowest ms"], rows)
    base = fmean([*found[f"{SHALLOW}"], *found[f"{SHALLOW} again"]])
    targets = [Target(f"mean claim, {name} / {SHALLOW}", fmean(found[name]) / base, 1.2) for name in (burst, slow)]
    return {
        name: {"mean_s": fmean(times), "p50_s": median(times), "first_s": times[0], "slowest_s": max(times)}
        for name, times in found.items()
    }, targets


def shallow(claims: int, home: Path) -> list[float]:
    """The seconds of each claim, from queues of SHALLOW jobs drained one after another."""
    times: list[float] = []
    while len(times) < claims:
        with scratch(home) as root:
            times += timed_claims(filled(root, SHALLOW, 0), SHALLOW)
    return times


def deep(depth: int, claims: int, seconds: float, home: Path) -> list[float]:
    """The seconds of each of the first *claims* claims from a queue of *depth* jobs that came within *seconds*."""
    with scratch(home) as root:
        return timed_claims(filled(root, depth, seconds), min(claims, depth))


def filled(root: Path, jobs: int, seconds: float) -> Spool:
    """A spool with *jobs* jobs in it that came evenly within the last *seconds*; 0: as fast as they are put."""
    spool = Spool(f"{root}/spool", Results(f"{root}/results"))
    for job_id in ids(jobs, seconds):
        spool.put(Job("echo", id=job_id))
    return spool


def ids(jobs: int, seconds: float) -> Iterator[str]:
    now = time.time_ns()
    for number in range(jobs):
        if seconds:
            yield f"{now - int(seconds * 1e9 * (jobs - number) / jobs):016x}{os.urandom(4).hex()}"
        else:
            yield new_id()


def timed_claims(spool: Spool, claims: int) -> list[float]:
    """The seconds of each claim by one worker; what is claimed is thrown away, outside of the time."""
    lease = Lease.take(spool.workers, spool.active, new_worker_id())
    cursor = spool.cursor(["echo"])
    times: list[float] = []
    while len(times) < claims:
        begin = time.perf_counter()
        batch = spool.claim(lease, cursor, lambda task: 1)
        times.append(time.perf_counter() - begin)
        if len(batch) != 1:
            raise RuntimeError(f"claim {len(times)} of {claims} brought {len(batch)} jobs")
        files.remove(batch[0].path)
    lease.end()
    return times


# At rest.


def idle(seconds: float, home: Path) -> tuple[dict[str, Any], list[Target]]:
    """Watch a farm that has nothing to do: launcher, front and workers together."""
    with scratch(home) as root:
        farm, _ = launch(root, IDLE_WORKERS)
        try:
            farm.wait_until(lambda: len(list(root.glob("spool/workers/*.json"))) >= IDLE_WORKERS)
            time.sleep(IDLE_SETTLE)
            before = cpu_seconds(farm.pid)
            time.sleep(seconds)
            percent = (cpu_seconds(farm.pid) - before) / seconds * 100
            memory, processes = pss_mb(farm.pid), len(tree(farm.pid))
        finally:
            farm.stop()
    cells = [f"{IDLE_WORKERS} workers", f"{percent:.2f}", str(processes), f"{memory:.0f}"]
    print_table(["at rest", "CPU % of a core", "processes", "PSS MB"], [cells])
    return {"cpu_percent": percent, "processes": processes, "pss_mb": memory}, [
        Target("at rest: CPU, % of a core", percent, 1)
    ]


def main() -> int:
    purpose = "The spool beside other job queues, its claims at depth, and the farm at rest."
    parser = arguments(purpose, ("peers", "depth", "idle"), 5)
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS), help="rows of the table")
    parser.add_argument("--trips", type=int, default=300, help="round trips in one trial")
    parser.add_argument("--jobs", type=int, default=3000, help="jobs in the burst of one trial")
    parser.add_argument("--depth", type=int, default=1_000_000, help="jobs in the deep queue: 5 KB of memory each")
    parser.add_argument("--claims", type=int, default=200_000, help="claims timed at each depth")
    parser.add_argument("--depth-dir", type=Path, default=MEMORY, help="where the deep queue is made")
    parser.add_argument("--idle", type=float, default=20, help="seconds that the farm at rest is watched")
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.rounds, chosen.trips, chosen.jobs = 1, 100, 500
        chosen.depth, chosen.claims, chosen.idle = 50_000, 20_000, 5
    stop_on_sigterm()
    sections: dict[str, Any] = {"machine": machine(VERSIONS), "options": vars(chosen)}
    targets: list[Target] = []
    if "peers" in chosen.sections:
        comparison, verdicts = compare(chosen.rounds, chosen.trips, chosen.jobs, chosen.peers)
        sections["peers"] = comparison.record()
        targets += verdicts
    if "depth" in chosen.sections:
        sections["depth"], verdicts = depths(chosen.depth, chosen.claims, chosen.depth_dir)
        targets += verdicts
    if "idle" in chosen.sections:
        sections["idle"], verdicts = idle(chosen.idle, MEMORY)
        targets += verdicts
    return report("spool", sections, targets)


if __name__ == "__main__":
    sys.exit(main())
