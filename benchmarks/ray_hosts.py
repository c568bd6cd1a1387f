"""Hosts of a Ray cluster on one machine: each is a network namespace with an address of its own. Needs root."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.measure import ROOT, tree

#: Seconds that a node gets to start.
START = 90.0
#: Seconds between two looks while waiting, and the most of them until a killed process is gone.
LOOK, END = 0.05, 20.0
#: The head, on whose host the farm runs, and the nodes that run jobs; all on one network.
HEAD, NODES = "head", ("a", "b")
#: Where the head listens.
PORT = 6379


class Hosts:
    """The head's host and two others. Ray's processes are known by the token in their environment."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._names = {host: f"sf{os.getpid()}-{host}" for host in (HEAD, *NODES)}
        self.addresses = {host: f"10.77.0.{number}" for number, host in enumerate(self._names, 1)}
        self.environment = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
        #: What the head is reached by.
        self.head = f"{self.addresses[HEAD]}:{PORT}"

    def make(self) -> None:
        """Make the namespaces, and join them by a bridge on the head's host."""
        for name in self._names.values():
            _run("ip", "netns", "add", name)
            _run("ip", "-n", name, "link", "set", "lo", "up")
        hub = self._names[HEAD]
        _run("ip", "-n", hub, "link", "add", "hub", "type", "bridge")
        _run("ip", "-n", hub, "link", "set", "hub", "up")
        _run("ip", "-n", hub, "addr", "add", f"{self.addresses[HEAD]}/24", "dev", "hub")
        for host in NODES:
            name = self._names[host]
            _run("ip", "-n", hub, "link", "add", f"to-{host}", "type", "veth", "peer", "name", "eth0", "netns", name)
            _run("ip", "-n", hub, "link", "set", f"to-{host}", "master", "hub", "up")
            _run("ip", "-n", name, "addr", "add", f"{self.addresses[host]}/24", "dev", "eth0")
            _run("ip", "-n", name, "link", "set", "eth0", "up")

    def inside(self, host: str) -> list[str]:
        """What a command begins with to run on *host*."""
        return ["ip", "netns", "exec", self._names[host]]

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

    def kill(self, host: str) -> int:
        """SIGKILL of all that Ray runs on *host*, as if its power failed; how many processes that were."""
        return self._end(lambda: self.processes(host))

    def processes(self, host: str = "") -> list[int]:
        """Ray's processes, on all hosts or one of them; not those of a farm."""
        token = f"RAY_AUTH_TOKEN={self.environment['RAY_AUTH_TOKEN']}".encode()
        place = os.stat(f"/run/netns/{self._names[host]}").st_ino if host else 0
        found = []
        for entry in filter(str.isdecimal, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                variables = Path(f"/proc/{entry}/environ").read_bytes().split(b"\0")
                of_farm = any(each.startswith(b"FARM_SPOOL_DIR=") for each in variables)
                here = not place or os.stat(f"/proc/{entry}/ns/net").st_ino == place
                if token in variables and here and not of_farm:
                    found.append(int(entry))
        return found

    def remove(self) -> None:
        """Kill what is left, and remove the namespaces."""
        self._end(self.processes)
        for name in self._names.values():
            subprocess.run(["ip", "netns", "del", name], check=False)

    def _end(self, find: Callable[[], list[int]]) -> int:
        killed: set[int] = set()
        deadline = time.monotonic() + END
        while found := find():
            for pid in {each for root in found for each in tree(root)}:  # an agent shows no environment
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                    killed.add(pid)
            if time.monotonic() > deadline:
                raise RuntimeError(f"processes {found} do not end")
            time.sleep(LOOK)
        return len(killed)


def _run(*command: str) -> None:
    subprocess.run(command, check=True)
