"""The same run in Flower's simulation: the clients train in Ray actors, on this machine or on a Ray cluster."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import ray
from flwr.app import Context
from flwr.serverapp import Grid, ServerApp
from flwr.simulation import run_simulation

import client_app
from settings import Settings

#: What the actors need of this folder; a cluster's machines are sent it.
NOT_SENT = ["global_models", "results", "saved_models"]


def simulate(settings: Settings, serve: Callable[[Grid], None], catch_signals: Callable[[], None]) -> None:
    """Call *serve* with a grid of *settings.clients* clients. Nothing of Ray is left when this returns or raises."""
    server = ServerApp()

    @server.main()
    def main(grid: Grid, context: Context) -> None:
        serve(grid)

    temporary = tempfile.mkdtemp(prefix="ray-")  # with the default one, two runs would share a cluster by accident
    try:
        _start(settings, temporary)
        catch_signals()  # again: Ray has put its own in place
        run_simulation(
            server,
            client_app.app,
            settings.clients,
            backend_config={"client_resources": {"num_cpus": settings.ray_cpus, "num_gpus": 0.0}},
        )
    finally:
        ray.shutdown()
        shutil.rmtree(temporary, ignore_errors=True)


def _start(settings: Settings, temporary: str) -> None:
    project = Path(__file__).parent
    quiet = {"include_dashboard": False, "log_to_driver": False, "logging_level": "ERROR"}
    if settings.ray_address:
        environment = {"working_dir": str(project), "excludes": NOT_SENT}
        ray.init(address=settings.ray_address, runtime_env=environment, **quiet)
    else:
        environment = {"env_vars": {"PYTHONPATH": os.pathsep.join([str(project), *sys.path])}}
        ray.init(num_cpus=os.cpu_count(), _temp_dir=temporary, runtime_env=environment, **quiet)
