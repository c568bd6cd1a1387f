"""A Ray cluster on this machine: a head and nodes that are started, killed, and leave no process."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.support.running_farm import free_port, until

#: What the nodes are started with, beside their token: a dead node is noticed after a second, not after half a minute.
QUICK = {
    "RAY_AUTH_MODE": "token",
    "RAY_process_group_cleanup_enabled": "1",
    "RAY_health_check_initial_delay_ms": "300",
    "RAY_health_check_period_ms": "300",
    "RAY_health_check_timeout_ms": "1000",
    "RAY_health_check_failure_threshold": "3",
    "RAY_num_prestart_python_workers": "0",
    "RAY_prestart_worker_first_driver": "0",
}


class RayCluster:
    """Nothing runs before `start`; all processes are known by the token in their environment."""

    def __init__(self, path: Path) -> None:
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self._token = secrets.token_hex(32)
        #: What a process needs in its environment to use the cluster.
        self.key = {"RAY_AUTH_TOKEN": self._token}
        #: The path of Ray's sockets has to be short.
        self._home = path
        self._client_port = free_port()

    def start(self, cpus: int = 0) -> None:
        """Start the head, on a node with so many *cpus*."""
        quiet = ["--include-dashboard=false", "--no-monitor", f"--ray-client-server-port={self._client_port}"]
        self._ray("start", "--head", f"--port={self.port}", f"--num-cpus={cpus}", *quiet, f"--temp-dir={self._home}")

    def add(self, cpus: int, **environment: str) -> int:
        """Start one more node, with that *environment* beside the usual; return the process id of its raylet."""
        before = set(self.called(b"raylet/raylet"))
        self._ray("start", f"--address={self.address}", f"--num-cpus={cpus}", **environment)
        [new] = set(self.called(b"raylet/raylet")) - before
        return new

    def called(self, part: bytes) -> list[int]:
        """The process ids of those of the cluster, and of its users, whose command line has *part* in it."""
        found = []
        for entry in filter(str.isdecimal, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                of_ours = self._token.encode() in Path(f"/proc/{entry}/environ").read_bytes()
                if of_ours and part in Path(f"/proc/{entry}/cmdline").read_bytes():
                    found.append(int(entry))
        return found

    def actors(self) -> list[int]:
        """The process ids of the actors that live."""
        return self.called(b"ray::Actor")

    def kill(self, pids: Sequence[int]) -> None:
        """SIGKILL, and wait until they are gone."""
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        until(lambda: not any(map(_lives, pids)), what=f"processes {pids} to end")

    def kill_head(self) -> None:
        """SIGKILL of all that runs on the head's node but the users of the cluster."""
        self.kill([*self.called(b"gcs_server"), *self.called(b"raylet/raylet"), *self.called(b"ray/")])

    def stop(self) -> None:
        """SIGKILL of everything, the agents of a raylet first: they show no environment, and outlive it by a minute."""
        self.kill([pid for raylet in self.called(b"raylet/raylet") for pid in _children(raylet)])
        until(lambda: not (self.kill(found := self.called(b"")) or found), what="the cluster to end")

    def _ray(self, *arguments: str, **environment: str) -> None:
        small = ["--object-store-memory=80000000", "--include-log-monitor=false", "--disable-usage-stats"]
        done = subprocess.run(
            [sys.executable, "-m", "ray.scripts.scripts", *arguments, *small],
            env={**os.environ, **QUICK, **self.key, **environment},
            capture_output=True,
            text=True,
            timeout=90,
        )
        assert done.returncode == 0, done.stdout + done.stderr


def _children(pid: int) -> list[int]:
    return list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
