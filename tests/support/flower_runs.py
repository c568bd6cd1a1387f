"""Runs of flower_project: its modules on the path, its script in a process, its rounds in this one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.support.running_farm import ROOT

PROJECT = ROOT / "flower_project"
#: What run_flower.py sets for itself; the tests import Flower without it.
os.environ |= {
    "FLWR_TELEMETRY_ENABLED": "0",
    "FLWR_DISABLE_UPDATE_CHECK": "1",
    "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
    "OMP_NUM_THREADS": "1",
}
sys.path.insert(0, str(PROJECT))
with warnings.catch_warnings(action="ignore"):  # Flower's imports use what other packages are about to remove
    import flwr.clientapp.mod
    import flwr.serverapp.strategy  # noqa: F401

#: What the farm reads a run's progress from.
LINE = re.compile(r"round (\d+)/(\d+) accuracy (\S+) loss (\S+) clients (\d+) time (\S+) s")


def start_script(path: Path, environment: Mapping[str, str] | None = None, **options: Any) -> subprocess.Popen[str]:
    """run_flower.py with *options*, writing below *path*/runs."""
    arguments = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    return subprocess.Popen(
        [sys.executable, "run_flower.py", "--out", str(path / "runs"), *arguments],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, **(environment or {})},
    )


def federated(path: Path, app: Any = None, **options: Any) -> Mapping[str, Any]:
    """Train in this process, writing below *path*; returns the result, and the folder it was written to."""
    import client_app
    from grid import InlineGrid
    from record import Record, resumed
    from server_app import Server
    from settings import Settings

    given = {"out": str(path), **options}
    settings = resumed(given) if "resume" in given else Settings.read(given)
    settings.check_clients()
    with Record(settings) as record:
        server = Server(InlineGrid(app or client_app.app, settings.clients), settings, record)
        server.check_shares()
        server.run()
    return record.result | {"folder": record.folder}
