"""The start script: `python run_flower.py --rounds 10 --min_clients 2 --fraction_fit 0.8 --learning_rate 0.01`."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import traceback
from dataclasses import fields
from types import FrameType
from typing import TYPE_CHECKING, Any

from settings import DEFAULTS, Settings

if TYPE_CHECKING:
    from flwr.serverapp import Grid

#: Nothing is sent anywhere and nothing is looked up: read by Flower and Ray when they are imported.
QUIET = {
    "FLWR_TELEMETRY_ENABLED": "0",
    "FLWR_DISABLE_UPDATE_CHECK": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # clients of no GPU share may still use it; and Ray warns otherwise
}
#: Settings that are paths, relative to the folder in which the command was given.
PATHS = ("data", "out", "resume")


def main(arguments: list[str]) -> int:
    """Run to the end; returns the exit code."""
    catch_signals()
    os.environ.update(QUIET)
    given = parse(arguments)
    try:
        settings = read(given)
        return federate(settings)
    except ValueError as error:
        sys.stderr.write(f"run_flower.py: {error}\n")
        return 2
    except Exception:  # noqa: BLE001 - the record says that it failed; the cause belongs into the log
        traceback.print_exc()
        return 1


def read(given: dict[str, Any]) -> Settings:
    """The settings as *given*, or those of the run to continue with what is *given*."""
    if not given.get("resume"):
        return Settings.read(given)
    from record import resumed

    return resumed(given)


def federate(settings: Settings) -> int:
    """Train with the engine that *settings* name; returns the exit code."""
    if settings.engine == "deployment":
        from deployment import deploy

        return deploy(settings)
    settings.check_clients()
    import client_app  # torch and Flower take seconds: not for --help, nor for a bad option
    from grid import InlineGrid
    from record import Record
    from server_app import Server

    logging.getLogger("flwr").setLevel(logging.ERROR)  # after the import, which sets it to INFO
    with Record(settings) as record:

        def train(grid: Grid) -> None:
            server = Server(grid, settings, record)
            server.check_shares()
            server.run()

        if settings.engine == "ray":
            from simulation import simulate

            simulate(settings, train, catch_signals)
        else:
            train(InlineGrid(client_app.app, settings.clients))
    return 0


def parse(arguments: list[str]) -> dict[str, Any]:
    """What was given on the command line, by name."""
    parser = argparse.ArgumentParser(description=__doc__, argument_default=argparse.SUPPRESS, allow_abbrev=False)
    for row in fields(Settings):
        default = DEFAULTS[row.name]
        parser.add_argument(
            f"--{row.name}",
            type=type(default),
            choices=row.metadata["choices"] or None,
            help=f"{row.metadata['help']} ({default})" if default != "" else row.metadata["help"],
            metavar=None
            if row.metadata["choices"]
            else "PATH"
            if row.name in PATHS
            else type(default).__name__.upper(),
        )
    given = vars(parser.parse_args(arguments))
    return given | {name: os.path.abspath(given[name]) for name in PATHS if given.get(name)}


def catch_signals() -> None:
    """Let SIGTERM and SIGINT end the run as an exception would, so that its record says "stopped"."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)


def stop(number: int, frame: FrameType | None) -> None:
    """End with the exit code by which shells name the signal."""
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, signal.SIG_IGN)  # once is enough: the record is about to be written
    raise SystemExit(128 + number)


if __name__ == "__main__":
    try:
        code = main(sys.argv[1:])
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # Flower's simulation leaves a thread behind that would wait an hour for a stopped round
