"""The session: a command with its keeper, its output as bytes, and the ways to end it."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from collections.abc import Mapping, Sequence
from types import TracebackType

from spoolfarm import config
from spoolfarm.errors import BadProject
from spoolfarm.tasks.flower import reaper
from spoolfarm.tasks.flower.start_command import search_path

#: Bytes taken from the pipe at once.
READ = 65536
#: What Flower and Ray would otherwise send, look up or install; what the owner has set holds.
QUIET = {
    "FLWR_TELEMETRY_ENABLED": "0",
    "FLWR_DISABLE_UPDATE_CHECK": "1",
    "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
}
#: What tells a simulation which job it is, for its record.
JOB = "SPOOLFARM_JOB"
#: What tells it which trace it belongs to, as OpenTelemetry hands that to processes.
TRACEPARENT = "TRACEPARENT"
#: Seconds that a keeper gets to end what it keeps; it gives up a little earlier.
END = reaper.LAST + 5.0


class Session:
    """One running command, which has *settings* in its environment. Leaving the context ends what still runs of it."""

    def __init__(
        self,
        command: Sequence[str],
        directory: str,
        job_id: str = "",
        traceparent: str = "",
        settings: Mapping[str, str] | None = None,
    ) -> None:
        given = {name: value for name, value in os.environ.items() if name not in config.SECRETS}
        environment = {**QUIET, **given, **(settings or {}), "PATH": search_path(command[0])}
        environment["PYTHONUNBUFFERED"] = "1"  # what it prints is there when it is printed
        environment[JOB] = job_id
        if traceparent:
            environment[TRACEPARENT] = traceparent
        python = [sys.executable, "-I", "-S", reaper.__file__, str(os.getpid())]
        try:
            self._keeper = subprocess.Popen(
                [*python, *command],
                cwd=directory,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # who kills this worker with all its group gives the keeper time to clean up
            )
        except OSError as error:
            raise BadProject(f"the simulation cannot be started: {error.strerror}") from error
        assert self._keeper.stdout is not None
        self._pipe = self._keeper.stdout.fileno()
        self._open = True
        self._poll = select.poll()
        self._poll.register(self._pipe, select.POLLIN)

    def __enter__(self) -> Session:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self._keeper.poll() is None:
            self.kill()
            self.wait()
        assert self._keeper.stdout is not None
        self._keeper.stdout.close()

    def read(self, seconds: float) -> bytes | None:
        """What was printed, waiting so long at most; b"" when nothing was, None when all is over."""
        if self._open:
            if self._poll.poll(seconds * 1000):
                data = os.read(self._pipe, READ)
                self._open = bool(data)
                return data
            if self._keeper.poll() is not None:
                reaper.kill_orphans()  # they outlived their keeper, and hold the pipe
            return b""
        try:
            self._keeper.wait(seconds)
        except subprocess.TimeoutExpired:
            return b""  # the command has closed its output, and goes on
        return None

    def stop(self) -> None:
        """Ask the command to end."""
        self._keeper.send_signal(reaper.STOP)

    def kill(self) -> None:
        """End all of it at once."""
        self._keeper.terminate()

    def wait(self) -> int | None:
        """The command's exit status, once nothing of it is left; None when it is not known, for its keeper was killed.

        A signal N is 128 + N, as in a shell.
        """
        try:
            status = self._keeper.wait(END)
        except subprocess.TimeoutExpired:
            self._keeper.kill()
            status = self._keeper.wait()
        if status < 0:
            reaper.kill_orphans()
            return None
        return status
