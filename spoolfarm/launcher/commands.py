"""Commands: what each process of the farm is started with, arguments and environment."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import NoReturn

from spoolfarm import config

#: Variables from which libraries that a task may use read their number of threads.
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
#: The variable that holds the id of a worker, for the worker and everything that its tasks start.
WORKER_MARK = "SPOOLFARM_WORKER"
#: The same for the root of the spool that the worker works on.
SPOOL_MARK = "SPOOLFARM_SPOOL"


def command(name: str) -> list[str]:
    """The command that runs `server`, `worker`, `launcher` and the like: the checkout's script, or the module."""
    door = config.ROOT / f"{name}.py"
    there = config.CHECKOUT and door.is_file()
    return [sys.executable, str(door)] if there else [sys.executable, "-m", f"spoolfarm.{name}"]


def become_launcher(given: Mapping[str, str]) -> NoReturn:
    """Replace this process by a launcher without flags, with the settings *given* in its environment.

    So every child sees the same settings, a reload reads them again, and tools that kill processes by the word "worker"
    do not hit this one because of `--workers`.
    """
    os.execve(sys.executable, command("launcher"), {**os.environ, **given})


def with_settings(settings: config.Settings) -> dict[str, str]:
    """The environment of a child that shall know *settings*, whatever this process was started with."""
    names = {row["name"] for row in config.rows()}
    return {name: value for name, value in os.environ.items() if name not in names} | complete(settings)


def complete(settings: config.Settings) -> dict[str, str]:
    """*settings* as environment variables beside which `.env` says nothing."""
    return settings.environment() | {config.COMPLETE: "1"}


def without_secrets(settings: config.Settings) -> dict[str, str]:
    """The environment of a child that serves no requests."""
    environment = with_settings(settings) | {"PYTHONUNBUFFERED": "1"}
    return {name: value for name, value in environment.items() if name not in config.SECRETS}


def with_threads(settings: config.Settings, number: int) -> dict[str, str]:
    """The same, with that many threads for each numerical library."""
    return without_secrets(settings) | dict.fromkeys(THREAD_VARIABLES, str(number))
