"""The same run in Flower's simulation: the clients train in Ray actors, on this machine or on a Ray cluster."""

from __future__ import annotations

import logging
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
#: The longest folder in which Ray's temporary one may lie: its sockets are 77 characters below, and unix(7) allows 107.
LONGEST_PARENT = 28


def simulate(settings: Settings, serve: Callable[[Grid], None], catch_signals: Callable[[], None]) -> None:
    """Call *serve* with a grid of *settings.clients* clients. Nothing of Ray is left when this returns or raises."""
    server = ServerApp()

    @server.main()
    def main(grid: Grid, context: Context) -> None:
        serve(grid)

    parent = tempfile.gettempdir()
    # a folder of its own: in Ray's default one, a run would join the cluster of another
    temporary = tempfile.mkdtemp(prefix="ray-", dir=parent if len(parent) <= LONGEST_PARENT else "/tmp")
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
    """Join the cluster that *settings* name, or make one on this machine's cores."""
    project = str(Path(__file__).parent)
    mine = not settings.ray_address
    path = os.pathsep.join([project, *sys.path])
    environment = {"env_vars": {"PYTHONPATH": path}} if mine else {"working_dir": project, "excludes": NOT_SENT}
    ray.init(
        address=settings.ray_address or "local",
        num_cpus=len(os.sched_getaffinity(0)) if mine else None,
        include_dashboard=False if mine else None,
        _temp_dir=temporary if mine else None,
        runtime_env=environment,
        log_to_driver=False,
        logging_level=logging.ERROR,
    )
