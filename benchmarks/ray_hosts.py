"""Hosts of a Ray cluster on one machine: the head's, on which the farm runs, and those of two nodes."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from pathlib import Path

from benchmarks.hosts import Hosts
from benchmarks.measure import ROOT

#: Seconds that a node gets to start.
START = 90.0
#: The head, on whose host the farm runs, and the nodes that run jobs; all on one network.
HEAD, NODES = "head", ("a", "b")
#: Where the head listens.
PORT = 6379


class RayHosts(Hosts):
    """The head's host and two others, with Ray's processes and not those of a farm."""

    def __init__(self, home: Path) -> None:
        super().__init__((HEAD, *NODES))
        self._home = home
        self.environment = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
        #: What the head is reached by.
        self.head = f"{self.addresses[HEAD]}:{PORT}"

    def start(self, host: str, cpus: int) -> None:
        """Start Ray on *host*; the head's own node runs no jobs."""
        if host == HEAD:
            quiet = ("--include-dashboard=false", "--no-monitor")
            role = ["--head", f"--port={PORT}", "--num-cpus=0", *quiet, f"--temp-dir={self._home}"]
        else:
            role = [f"--address={self.head}", f"--num-cpus={cpus}"]
        address = f"--node-ip-address={self.addresses[host]}"
        small = ["--object-store-memory=100000000", "--include-log-monitor=false", "--disable-usage-stats"]
        command = [*self.inside(host), sys.executable, "-m", "ray.scripts.scripts", "start", *role, address, *small]
        environment = {**os.environ, **self.environment, "RAY_process_group_cleanup_enabled": "1"}
        done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=START)
        if done.returncode:
            raise RuntimeError(f"Ray does not start on {host}:\n{done.stdout}{done.stderr}")

    def processes(self, host: str = "") -> list[int]:
        """Ray's processes, on all hosts or one of them, its agents too, which show no environment."""
        return [pid for pid in super().processes(host) if not _of_a_farm(pid)]


def _of_a_farm(pid: int) -> bool:
    try:
        variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False  # it has ended
    return any(each.startswith(b"FARM_SPOOL_DIR=") for each in variables)
