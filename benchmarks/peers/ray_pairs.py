"""Processes that each have a Ray actor of their own do its work, one call after the other: a farm without its spool.

`python -m benchmarks.peers.ray_pairs ADDRESS PROCESSES CALLS SECONDS` says `ready`, begins when a line comes, says
`done`, and ends with its input.
"""

from __future__ import annotations

import multiprocessing
import sys
from multiprocessing.synchronize import Barrier

from benchmarks.peers.ray import Echo


def pair(address: str, calls: int, seconds: float, together: Barrier) -> None:
    """One process and its actor."""
    import ray

    ray.init(address, log_to_driver=False, configure_logging=False)
    actor = ray.remote(max_restarts=0)(Echo).remote()
    ray.get(actor.run.remote(b""))
    together.wait()
    together.wait()
    for _ in range(calls):
        ray.get(actor.run.remote(b"", seconds))
    together.wait()
    together.wait()  # its CPU time is read before it ends


def main(address: str, processes: int, calls: int, seconds: float) -> None:
    """Have them begin together, and end."""
    import ray  # noqa: F401  # loaded once for all of them

    together = multiprocessing.Barrier(processes + 1)
    for _ in range(processes):
        multiprocessing.Process(target=pair, args=(address, calls, seconds, together), daemon=True).start()
    together.wait()
    print("ready", flush=True)
    sys.stdin.readline()
    together.wait()
    together.wait()
    print("done", flush=True)
    sys.stdin.read()
    together.wait()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
