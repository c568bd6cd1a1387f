"""Hosts on one machine: each is a network namespace with an address of its own. Needs root."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence

from benchmarks.measure import tree

#: Seconds between two looks while waiting, and the most of them until a killed process is gone.
LOOK, END = 0.05, 20.0


class Hosts:
    """Hosts by their *names*, all on one network, which the first of them holds together."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = {name: f"sf{os.getpid()}-{name}" for name in names}
        self._spaces: dict[str, int] = {}
        self.addresses = {name: f"10.77.0.{number}" for number, name in enumerate(names, 1)}

    def make(self) -> None:
        """Make the namespaces, and join them by a bridge on the first host."""
        for host, name in self._names.items():
            _run("ip", "netns", "add", name)
            _run("ip", "-n", name, "link", "set", "lo", "up")
            self._spaces[host] = os.stat(f"/run/netns/{name}").st_ino
        (first, hub), *others = self._names.items()
        _run("ip", "-n", hub, "link", "add", "hub", "type", "bridge")
        _run("ip", "-n", hub, "link", "set", "hub", "up")
        _run("ip", "-n", hub, "addr", "add", f"{self.addresses[first]}/24", "dev", "hub")
        for host, name in others:
            _run("ip", "-n", hub, "link", "add", f"to-{host}", "type", "veth", "peer", "name", "eth0", "netns", name)
            _run("ip", "-n", hub, "link", "set", f"to-{host}", "master", "hub", "up")
            _run("ip", "-n", name, "addr", "add", f"{self.addresses[host]}/24", "dev", "eth0")
            _run("ip", "-n", name, "link", "set", "eth0", "up")

    def inside(self, host: str) -> list[str]:
        """What a command begins with to run on *host*."""
        return ["ip", "netns", "exec", self._names[host]]

    def processes(self, host: str = "") -> list[int]:
        """What runs on all hosts or one of them, whatever it shows of its environment and whoever its parent is."""
        spaces = {self._spaces[host]} if host else set(self._spaces.values())
        found = []
        for entry in filter(str.isdecimal, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                if os.stat(f"/proc/{entry}/ns/net").st_ino in spaces:
                    found.append(int(entry))
        return found

    def kill(self, host: str) -> int:
        """SIGKILL of all that runs on *host*, as if its power failed; how many processes that were."""
        return self._end(lambda: self.processes(host))

    def remove(self) -> None:
        """Kill what is left, and remove the namespaces."""
        self._end(self.processes)
        for name in self._names.values():
            subprocess.run(["ip", "netns", "del", name], check=False)

    def _end(self, find: Callable[[], list[int]]) -> int:
        killed: set[int] = set()
        deadline = time.monotonic() + END
        while found := find():
            for pid in {each for root in found for each in tree(root)}:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                    killed.add(pid)
            if time.monotonic() > deadline:
                raise RuntimeError(f"processes {found} do not end")
            time.sleep(LOOK)
        return len(killed)


def _run(*command: str) -> None:
    subprocess.run(command, check=True)
