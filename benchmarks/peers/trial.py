"""One trial of one queue, in a process tree of its own: `python -m benchmarks.peers.trial --help`.

This process is the producer and the parent of all others, so the CPU time of its tree is all that the queue costs.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from statistics import median

from benchmarks.measure import cpu_seconds, percentile, pss_mb, scratch, stop_on_sigterm
from benchmarks.peers import BROKER, Queue, redis

#: What a queue stands on.
REDIS, FILES = "redis", "files"
#: By name: what it stands on, and its class.
QUEUES = {
    "huey-redis": (REDIS, "benchmarks.peers.huey:Huey"),
    "huey-file": (FILES, "benchmarks.peers.huey:Huey"),
    "celery": (REDIS, "benchmarks.peers.celery:Prefork"),
    "rq": (REDIS, "benchmarks.peers.rq:Simple"),
    "spoolfarm": (FILES, "benchmarks.peers.farm:Workers"),
    "spoolfarm-submit": (FILES, "benchmarks.peers.farm:Submitting"),
}
#: Bytes of one job's payload.
PAYLOAD = 1024
#: Jobs before the clock starts: one at a time, and in a burst.
WARM_UP, WARM_UP_BURST = 50, 200
#: Seconds for what the workers do after an answer went out, so that it is counted too.
SETTLE = 0.1


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure one queue once.")
    parser.add_argument("name", choices=QUEUES)
    parser.add_argument("home", type=Path, help="directory in which its files are made")
    parser.add_argument("--trips", type=int, default=300, help="round trips, one at a time")
    parser.add_argument("--jobs", type=int, default=3000, help="jobs in the burst")
    chosen = parser.parse_args()
    stop_on_sigterm()
    with ExitStack() as stack:
        home = stack.enter_context(scratch(chosen.home))
        try:
            queue = start(chosen.name, home, stack)
            print(json.dumps(measure(queue, chosen.trips, chosen.jobs)))
        except Exception:
            for log in home.glob("*.log"):
                print(f"--- {log.name}\n{log.read_text(errors='replace')[-2000:]}", file=sys.stderr)
            raise


def start(name: str, home: Path, stack: ExitStack) -> Queue:
    """Start the queue *name*; *stack* stops it."""
    stands_on, dotted = QUEUES[name]
    if stands_on == REDIS:
        server, os.environ[BROKER] = redis.start(home)
        stack.callback(server.stop)
    else:
        os.environ[BROKER] = str(home)
    module, _, attribute = dotted.partition(":")
    queue: Queue = getattr(import_module(module), attribute)(home)  # only now: the modules read BROKER
    stack.callback(queue.stop)
    queue.start()
    return queue


def measure(queue: Queue, trips: int, jobs: int) -> dict[str, float]:
    """Warm *queue* up and measure round trips and a burst. Raises RuntimeError when an answer is wrong."""
    fresh = payloads()
    for _ in range(WARM_UP):
        check([queue.call(next(fresh))])
    check(queue.burst([next(fresh) for _ in range(WARM_UP_BURST)]))
    seconds = []
    before = settled_cpu()
    for _ in range(trips):
        payload = next(fresh)
        begin = time.perf_counter()
        answer = queue.call(payload)
        seconds.append(time.perf_counter() - begin)
        check([answer])
    between = settled_cpu()
    batch = [next(fresh) for _ in range(jobs)]
    begin = time.perf_counter()
    answers = queue.burst(batch)
    burst = time.perf_counter() - begin
    after = settled_cpu()
    check(answers)
    return {
        "p50_ms": median(seconds) * 1000,
        "p99_ms": percentile(seconds, 99) * 1000,
        "jobs_s": jobs / burst,
        "cpu_ms": (after - between) / jobs * 1000,
        "trip_cpu_ms": (between - before) / trips * 1000,
        "pss_mb": pss_mb(os.getpid()),
    }


def payloads() -> Iterator[bytes]:
    """Payloads that nothing can compress or know already."""
    while True:
        yield os.urandom(PAYLOAD)


def check(answers: list[int]) -> None:
    wrong = [answer for answer in answers if answer != PAYLOAD]
    if wrong:
        raise RuntimeError(f"{len(wrong)} of {len(answers)} answers are wrong, the first being {wrong[0]}")


def settled_cpu() -> float:
    time.sleep(SETTLE)
    return cpu_seconds(os.getpid())


if __name__ == "__main__":
    main()
