"""Ray itself: a node on this machine with its own token, and a bare actor that is called directly."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.measure import LOOK, ROOT, STOP, free_port, tree

#: Seconds that a node gets to start.
PATIENCE = 90.0
_TICKS = os.sysconf("SC_CLK_TCK")


class Echo:
    """What the farm's task does, as an actor."""

    def run(self, payload: bytes, seconds: float = 0.0) -> dict[str, Any]:
        """Answer how much came, after so many *seconds*."""
        time.sleep(seconds)
        return {"params": {}, "bytes": len(payload)}


def burst(actors: Sequence[Any], jobs: int, seconds: float) -> int:
    """Have *actors* do so many *jobs* that wait, each the next one when it has done one; return how many were done."""
    import ray

    busy: dict[Any, Any] = {actor.run.remote(b"", seconds): actor for actor in actors[:jobs]}
    left, done = jobs - len(busy), 0
    while busy:
        ready, _ = ray.wait(list(busy))
        for ref in ready:
            ray.get(ref)
            done += 1
            actor = busy.pop(ref)
            if left:
                busy[actor.run.remote(b"", seconds)] = actor
                left -= 1
    return done


class Node:
    """A head that runs jobs, with so many *cpus*; its processes and its users are known by the token."""

    def __init__(self, home: Path, cpus: int) -> None:
        self.address = f"127.0.0.1:{free_port()}"
        self.environment = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
        quiet = ("--include-dashboard=false", "--no-monitor", "--include-log-monitor=false", "--disable-usage-stats")
        place = (f"--temp-dir={home}", "--object-store-memory=200000000", f"--ray-client-server-port={free_port()}")
        port = f"--port={self.address.partition(':')[2]}"
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", port, f"--num-cpus={cpus}"]
        environment = {**os.environ, **self.environment, "RAY_process_group_cleanup_enabled": "1"}
        done = subprocess.run(
            [*command, *quiet, *place], env=environment, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE
        )
        if done.returncode:
            raise RuntimeError(f"Ray does not start:\n{done.stdout}{done.stderr}")

    def processes(self, part: bytes = b"") -> list[int]:
        """The processes with the token and *part* in their command line, those of this process left out."""
        token = f"RAY_AUTH_TOKEN={self.environment['RAY_AUTH_TOKEN']}".encode()
        found = []
        for entry in filter(str.isdecimal, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                ours = token in Path(f"/proc/{entry}/environ").read_bytes().split(b"\0")
                if ours and part in Path(f"/proc/{entry}/cmdline").read_bytes():
                    found.append(int(entry))
        return found

    def cpu_seconds(self) -> float:
        """User and system time so far of all these processes and of this one."""
        ticks = 0
        for pid in {*self.processes(), os.getpid()}:
            with contextlib.suppress(OSError):
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                ticks += int(fields[11]) + int(fields[12])
        return ticks / _TICKS

    def stop(self) -> None:
        """SIGKILL of everything."""
        deadline = time.monotonic() + STOP
        while (found := self.processes()) and time.monotonic() < deadline:
            for pid in {each for root in found for each in tree(root)}:  # an agent shows no environment
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(LOOK)
