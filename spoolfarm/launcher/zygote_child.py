"""Forks: workers that are forked from the zygote, as the launcher sees them; `zygote.py` is the other end."""

from __future__ import annotations

import io
import json
import os
import selectors
import socket
import time
from collections.abc import Mapping, Sequence
from typing import IO

from spoolfarm.launcher.child import Child

#: Seconds within which the zygote must fork, which takes it a few milliseconds.
PATIENCE = 10.0
#: Seconds within which it must be ready: it may have to fetch weights.
LOADING = 600.0
#: Its exit status when it must not fork because it has a second thread.
UNFIT = 4


class Fork:
    """A process that was forked for this one, with as much of Popen's interface as a Child needs."""

    def __init__(self, pid: int, output: int) -> None:
        self.pid = pid
        self.stdout: IO[bytes] | None = io.FileIO(output)

    def wait(self) -> int:
        """Its exit status, or the signal that killed it as a negative number."""
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


class ZygoteChild(Child):
    """The zygote: takes seconds to load, and then forks a worker in milliseconds."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], selector: selectors.BaseSelector, *, wanted: bool
    ) -> None:
        super().__init__("zygote", command, environment, selector)
        #: Whether workers are to be forked at all.
        self.wanted = wanted
        #: Whether it has been ready, and whether it was then asked to end.
        self.proven = self.asked = False
        self._line: socket.socket | None = None

    @property
    def ready(self) -> bool:
        """Whether it can fork."""
        return self.proven and self._line is not None

    @property
    def loading(self) -> bool:
        """Whether it will be ready soon, so that it is worth waiting for."""
        return self.wanted and self.pid is not None and not self.ready

    def start(self, *extra: str) -> None:
        """Start loading; it is `ready` when it says so."""
        line, its = socket.socketpair()
        with its:
            try:
                self._exec("--launcher", str(os.getpid()), *extra, stdin=its.fileno())
            except OSError:
                line.close()
                raise
        line.setblocking(False)
        self._line = line
        self.proven = self.asked = False
        self._selector.register(line, selectors.EVENT_READ, self)

    def pass_on(self) -> None:
        """Also learn whether it is ready."""
        super().pass_on()
        if self._line is None:
            return
        try:
            said = self._line.recv(1)
        except BlockingIOError:
            return
        except OSError:
            said = b""  # it was killed before it read all that we sent
        if said:
            self.proven = True
        else:
            self._hang_up()

    def fork(self, arguments: Sequence[str], environment: Mapping[str, str]) -> Fork:
        """Fork a new worker. Raises OSError when none came; then none will come late."""
        if self._line is None:
            raise ConnectionResetError("the zygote has gone")
        output, printed = os.pipe()
        line, its = socket.socketpair()
        try:
            with line:
                with its:
                    line.settimeout(PATIENCE)
                    socket.send_fds(self._line, [b"f"], [its.fileno(), printed])
                line.sendall(json.dumps({"arguments": arguments, "environment": dict(environment)}).encode() + b"\n")
                pid = int(line.recv(32) or 0)
                if not pid:
                    raise ConnectionResetError("the zygote has not forked it")
                line.sendall(b"g")
        except OSError as error:
            os.close(output)
            if isinstance(error, TimeoutError):
                self.kill()
            raise
        finally:
            os.close(printed)
        return Fork(pid, output)

    def renew(self, command: Sequence[str], environment: Mapping[str, str], *, wanted: bool) -> None:
        """Load everything again, with another command and other settings."""
        self._command = list(command)
        self.environment = dict(environment)
        self.wanted = wanted
        self.asked = True
        self.plan_restart(failed=False)
        self.kill()
        self._hang_up()

    @property
    def late(self) -> bool:
        """Whether it has been loading for too long."""
        return self.loading and time.monotonic() > self.due + LOADING

    def reap(self) -> str | None:
        """How it ended, if it has."""
        ended = super().reap()
        if ended is not None:
            self._hang_up()
        return ended

    def _hang_up(self) -> None:
        if self._line is not None:
            self._selector.unregister(self._line)
            self._line.close()
            self._line = None
