"""A storm over a Ray cluster: nodes and the head are killed while jobs run: `python -m benchmarks.scale_storm --help`.

A head with the farm and two nodes, each on a host of its own, which are network namespaces: so this needs root. While
the jobs run, a node is killed and started again, and then the head with everything beside the farm, and started again.
No job may be lost, none may have two results, and no process may be left.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.measure import MEMORY, Service, scratch, stop_on_sigterm, tree
from benchmarks.ray_hosts import HEAD, NODES, RayHosts
from spoolfarm import Farm

#: Seconds until a farm on a cluster is ready, and until all jobs are done after the last fault.
READY, DONE = 120.0, 300.0
#: Actors on each node.
CPUS = 3


class Storm:
    """One farm and its cluster."""

    def __init__(self, home: Path, hosts: RayHosts, jobs: int, seconds: float) -> None:
        self._home = home
        self._hosts = hosts
        self._farm = Farm(spool_dir=home / "spool", results_dir=home / "results")
        self._number = jobs
        self._seconds = seconds
        self._began = time.monotonic()

    def run(self, stack: ExitStack) -> list[str]:
        """Raise it; what went wrong, a line each."""
        for host in (HEAD, *NODES):
            self._hosts.start(host, CPUS)
        farm = self._launch()
        stack.callback(farm.stop)
        self._say(f"{len(self._wait_for_workers())} workers are ready")
        jobs = [self._farm.submit("echo", number=number, seconds=self._seconds) for number in range(self._number)]
        done = lambda: sum(self._farm.ended(job.id) is not None for job in jobs)  # noqa: E731
        self._until(lambda: done() >= self._number // 8, "the first jobs")
        self._say(f"{done()} jobs are done; node b is killed: {self._hosts.kill('b')} processes")
        self._until(lambda: done() >= self._number * 3 // 8, "more jobs")
        self._hosts.start("b", CPUS)
        self._say(f"{done()} jobs are done; node b is back")
        self._until(lambda: done() >= self._number * 5 // 8, "more jobs")
        killed = self._hosts.kill(HEAD)
        self._say(f"{done()} jobs are done; the head is killed: {killed} processes")
        for host in (*NODES, HEAD):
            self._hosts.kill(host)  # a head that comes back is another one, so nodes are started anew, too
        for host in (HEAD, *NODES):
            self._hosts.start(host, CPUS)
        self._say(f"{done()} jobs are done; the head is back")
        self._until(lambda: done() == self._number, "the last job", DONE)
        self._say(f"{done()} jobs are done")
        faults = self._account([job.id for job in jobs])
        below = tree(farm.pid)
        farm.process.send_signal(signal.SIGTERM)
        farm.process.wait(READY)
        left = [pid for pid in below if Path(f"/proc/{pid}").exists()]
        self._until(lambda: not self._actors(), "the actors to end")
        return faults + ([f"the farm left processes {left}"] if left else [])

    def _account(self, ids: list[str]) -> list[str]:
        """What is wrong with the results."""
        records = [self._farm.record(job_id) for job_id in ids]
        results = [record.get("result", {}).get("params", {}).get("number") for record in records]
        bad = [
            f"{record['id']} is {record['status']}: {record.get('error')}"
            for record in records
            if not record.get("result")
        ]
        if sorted(filter(lambda each: each is not None, results)) != list(range(self._number)):
            bad.append("the results are not those of the jobs, one each")
        again = [record for record in records if record["attempts"] > 1]
        totals = self._farm.totals()
        print(f"attempts that counted and were repeated: {len(again)}; lost, by reason: {dict(totals.lost)}")
        if sum(count for labels, count in totals.jobs.items() if labels[1] == "succeeded") != self._number:
            bad.append(f"as many ended as {totals.jobs}")
        return bad

    def _launch(self) -> Service:
        env = {f"FARM_{name.upper()}_DIR": str(self._home / name) for name in ("spool", "results", "data", "run")}
        env |= self._hosts.environment
        env |= {"FARM_EXECUTOR": "ray", "FARM_RAY_ADDRESS": self._hosts.head, "FARM_WORKERS": str(2 * CPUS)}
        env |= {"FARM_ENABLE": "echo", "FARM_SIMULATIONS": "0", "FARM_DOCUMENTS": "0", "FARM_MIN_FREE_MB": "0"}
        command = [*self._hosts.inside(HEAD), sys.executable, "launcher.py"]
        return Service(command, env=env, log=self._home / "farm.log")

    def _wait_for_workers(self) -> list[dict[str, object]]:
        self._until(lambda: len(self._farm.workers()) == 2 * CPUS, "the workers", READY)
        return self._farm.workers()

    def _actors(self) -> list[int]:
        found = []
        for pid in self._hosts.processes():
            try:
                if Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"ray::Actor"):
                    found.append(pid)
            except OSError:
                continue
        return found

    def _until(self, condition: Callable[[], bool], what: str, seconds: float = READY) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                log = (self._home / "farm.log").read_text(errors="replace")
                raise RuntimeError(f"waited {seconds:g} s for {what}; the farm said:\n{log[-6000:]}")
            time.sleep(0.05)

    def _say(self, line: str) -> None:
        print(f"{time.monotonic() - self._began:6.1f} s  {line}", flush=True)


def main() -> int:
    """Raise a storm and account for every job."""
    parser = argparse.ArgumentParser(prog="benchmarks.scale_storm", description=__doc__)
    parser.add_argument("--jobs", type=int, default=400)
    parser.add_argument("--seconds", type=float, default=0.4, help="how long a job takes")
    options = parser.parse_args()
    stop_on_sigterm()
    if os.geteuid() != 0:
        parser.error("needs root, to make network namespaces")
    with ExitStack() as stack:
        home = stack.enter_context(scratch(MEMORY))
        sockets = Path(stack.enter_context(TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True)))
        hosts = RayHosts(sockets)
        stack.callback(hosts.remove)
        hosts.make()
        faults = Storm(home, hosts, options.jobs, options.seconds).run(stack)
    if left := hosts.processes():
        faults.append(f"Ray left processes {left}")
    print("\n".join(f"FAIL  {fault}" for fault in faults) or f"pass  {options.jobs} jobs, none lost, none twice")
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
