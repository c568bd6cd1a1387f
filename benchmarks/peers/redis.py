"""A Redis server of the benchmark's own, with persistence off: the fastest that the queues on Redis can have."""

from __future__ import annotations

import shutil
from pathlib import Path

from redis import Redis
from redis.exceptions import ConnectionError as NotYet

from benchmarks.measure import Service, free_port


def start(home: Path) -> tuple[Service, str]:
    """Start a server on a spare port; return it and its address."""
    binary = shutil.which("redis-server")
    if binary is None:
        raise RuntimeError("redis-server is not installed; the distribution's package is redis-server or redis")
    port = free_port()
    options = ("--save", "", "--appendonly", "no", "--bind", "127.0.0.1", "--dir", str(home))
    server = Service([binary, "--port", str(port), *options], log=home / "redis.log")

    def ready() -> bool:
        try:
            return bool(Redis(port=port).ping())
        except NotYet:
            return False

    try:
        server.wait_until(ready)
    except BaseException:
        server.stop()
        raise
    return server, f"redis://127.0.0.1:{port}/0"
