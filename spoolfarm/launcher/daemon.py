"""The farm in the background: start it and wait until it answers, stop it and wait until it is gone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence

from filelock import Timeout

from spoolfarm import config
from spoolfarm.errors import FarmError
from spoolfarm.launcher.commands import command
from spoolfarm.launcher.health import answers
from spoolfarm.spool import files
from spoolfarm.spool.lock import lock

#: Seconds within which a started farm must answer.
START_DEADLINE = 60.0
#: Seconds that each try may take.
PATIENCE = 2.0
#: Seconds beyond the grace time in which a stopped farm has to be gone before it is killed.
STOP_SLACK = 10.0


def start(settings: config.Settings, given: Mapping[str, str]) -> int:
    """Start the launcher, detached, with its output in the run directory's `farm.log`; *given* are the flags."""
    pid = running(settings)
    if pid:
        raise FarmError(f"the farm runs already, as process {pid}", hint="./stop.sh stops it")
    os.makedirs(settings.run_dir, exist_ok=True)
    log = os.path.join(settings.run_dir, "farm.log")
    with open(log, "ab") as output:
        begin = output.tell()
        launcher = subprocess.Popen(
            command("launcher"),
            env={**os.environ, **given},  # what .env says is for the launcher to read, and to read again
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    files.write_atomic(pid_file(settings), f"{launcher.pid}\n".encode())
    address = settings.bind[0]
    answered = _wait(lambda: launcher.poll() is not None or answers(address, PATIENCE), START_DEADLINE)
    if launcher.poll() is not None:
        files.remove(pid_file(settings))
        with open(log, "rb") as output:
            output.seek(begin)
            raise FarmError(f"the farm did not start:\n{output.read().decode(errors='replace').strip()}")
    if not answered:
        raise FarmError(
            f"process {launcher.pid} has not answered on {address.url} for {START_DEADLINE:g} s; its log is {log}"
        )
    _say(f"spoolfarm runs as process {launcher.pid} on {address.url}; its log is {log}")
    return 0


def stop(settings: config.Settings, _: Mapping[str, str]) -> int:
    """Stop the farm that `start` started, gracefully; kill what is left after the grace time."""
    pid = running(settings)
    if not pid:
        _say("no farm runs in the background")
        return 0
    os.kill(pid, signal.SIGTERM)
    if not _wait(lambda: not running(settings), settings.grace + STOP_SLACK):
        os.kill(pid, signal.SIGKILL)  # what it started dies with it
        _wait(lambda: not running(settings), STOP_SLACK)
    files.remove(pid_file(settings))
    _say("stopped")
    return 0


def running(settings: config.Settings) -> int:
    """The process id of the launcher that the pid file names, while it holds the spool's lock; else 0.

    The number alone may belong to another process by now, even one whose command line looks the same.
    """
    try:
        pid = int(files.read(pid_file(settings)))
        holder = json.loads(files.read(os.path.join(settings.spool_dir, "launcher.json")))["pid"]
        held = lock(os.path.join(settings.spool_dir, "launcher.lock"))
    except (OSError, ValueError, KeyError, TypeError):
        return 0
    try:
        held.acquire(timeout=0)
    except Timeout:
        return pid if pid == holder else 0
    held.release()
    return 0


def pid_file(settings: config.Settings) -> str:
    """The file that holds the launcher's process id."""
    return os.path.join(settings.run_dir, "farm.pid")


def _wait(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _say(line: str) -> None:
    print(line)  # noqa: T201


def main(arguments: Sequence[str]) -> int:
    """`start [flags]` or `stop [flags]`, flags being those of launcher.py."""
    try:
        given = config.given(arguments[1:])
        return {"start": start, "stop": stop}[arguments[0]](config.load(given), given)
    except (FarmError, OSError) as error:
        print(f"spoolfarm: {error}", file=sys.stderr)  # noqa: T201
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
