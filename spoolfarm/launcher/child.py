"""A child: one process that the launcher keeps alive, in its own session, with its output passed on."""

from __future__ import annotations

import logging
import os
import selectors
import signal
import subprocess
import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import IO, Any, Protocol

from spoolfarm.system import log_lines
from spoolfarm.system.output import MARK

log = logging.getLogger("launcher")

#: Lines of a child's output, not counting mere information, in which its last words are searched.
LAST_LINES = 100
#: Backoff: seconds before a child that could not start is tried again; each wait is twice the one before, up to the
#: last.
FIRST_BACKOFF, LAST_BACKOFF = 0.5, 30.0


class Process(Protocol):
    """What a Child needs from a Popen."""

    pid: int
    stdout: IO[bytes] | None

    def wait(self) -> int:
        """Its exit status, or the signal that killed it as a negative number."""


class Child:
    """Starts a command, reports how it ended, and when it may be started again.

    While it can print, *selector* watches its output, with the Child itself as the data.
    """

    def __init__(
        self, name: str, command: Sequence[str], environment: Mapping[str, str], selector: selectors.BaseSelector
    ) -> None:
        self.name = name
        self._command = list(command)
        #: What it will be started with next time.
        self.environment = dict(environment)
        self._selector = selector
        self._process: Process | None = None
        #: How often it has failed to start since it last succeeded.
        self.failures = 0
        self._rest = b""
        #: When each line came, as a time.time(), and the line.
        self.last_lines: deque[tuple[float, str]] = deque(maxlen=LAST_LINES)
        self._printed = log_lines.Printed()
        #: When to start it, by time.monotonic().
        self.due = 0.0

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process else None

    def start(self, *extra: str) -> None:
        """Start the command with *extra* arguments."""
        self._exec(*extra)

    def _exec(self, *extra: str, stdin: int = subprocess.DEVNULL) -> None:
        process = subprocess.Popen(
            [*self._command, *extra],
            env=self.environment,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C then reaches only the launcher, and the whole group can be killed
        )
        self._watch(process)

    def _watch(self, process: Process) -> None:
        """Make *process*, which has just begun in its own session, this child's."""
        assert process.stdout is not None
        self._process = process
        os.set_blocking(process.stdout.fileno(), False)
        self._selector.register(process.stdout.fileno(), selectors.EVENT_READ, self)
        self.last_lines.clear()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process itself."""
        if self._process:
            os.kill(self._process.pid, number)  # Popen would reap it first, and `reap` then look for it in vain

    def kill(self) -> None:
        """Kill the process and everything it started, at once."""
        if self._process:
            try:
                os.killpg(self._process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass  # it was faster

    def pass_on(self) -> None:
        """Log what the child has printed since the last call."""
        if self._process is None or self._process.stdout is None:
            return
        output = self._process.stdout.fileno()
        try:
            while data := os.read(output, 65536):
                *lines, self._rest = (self._rest + data).split(b"\n")
                for line in lines:
                    self._print(line)
                self._rest = self._rest[-65536:]
        except BlockingIOError:
            return  # nothing more for now
        if output in self._selector.get_map():
            self._selector.unregister(output)  # it will never print again

    def reap(self) -> str | None:
        """How the process ended, if it has; what it started ends with it."""
        if self._process is None:
            return None
        if os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            return None
        self.kill()  # not reaped yet, so the group's number cannot be another's
        self.pass_on()
        if self._rest:
            self._print(self._rest)
            self._rest = b""
        status = self._process.wait()
        if self._process.stdout:
            if self._process.stdout.fileno() in self._selector.get_map():
                self._selector.unregister(self._process.stdout.fileno())  # a process that it started holds it open
            self._process.stdout.close()
        self._process = None
        if status >= 0:
            return f"exit status {status}"
        return f"killed by signal {-status} ({signal.Signals(-status).name})"

    def last_words(self, since: float = 0.0) -> str:
        """What the child printed about its end: the line in which Python names a fatal error, else the last one.

        What came before *since*, a time.time(), was not about that.
        """
        lines = [line for came, line in self.last_lines if came >= since]
        fatal = [line for line in lines if line.startswith("Fatal Python error")]
        return [*fatal, *lines[-1:], ""][0]

    def try_start(self, *extra: str) -> None:
        """Start it with *extra* arguments; if the system refuses, plan a retry."""
        try:
            self.start(*extra)
        except OSError as error:
            wait = self.plan_restart(failed=True)
            log.error("%s cannot be started: %s; trying again in %.1f s", self.name, error, wait)
            return
        self.due = time.monotonic()

    def plan_restart(self, *, failed: bool) -> float:
        """Set when to start again: at once, or with growing backoff when it *failed* to start. Returns the seconds."""
        self.failures = self.failures + 1 if failed else 0
        wait = min(FIRST_BACKOFF * 2 ** (self.failures - 1), LAST_BACKOFF) if self.failures else 0.0
        self.due = time.monotonic() + wait
        return wait

    def _print(self, line: bytes) -> None:
        said, mark, _ = line.partition(MARK)
        if said or not mark:
            if (logged := log_lines.parsed(said)) is not None:
                self._pass_on_logged(logged)
            else:
                self._pass_on_text(said.decode(errors="replace").rstrip())
        if mark:
            self.last_lines.clear()  # they were another job's

    def _pass_on_text(self, text: str) -> None:
        level, logger, message = self._printed.read(text)
        if not text.startswith("INFO "):
            self.last_lines.append((time.time(), text))
        fields = {"logger": logger, "message": message} if logger else {}
        now = log_lines.time_of(time.time())
        line = {"time": now, "level": logging.getLevelName(level), "process": self.name, "message": text, **fields}
        logging.getLogger(self.name).log(level, "%s", text, extra={"line": line})

    def _pass_on_logged(self, line: dict[str, Any]) -> None:
        level = log_lines.level(line["level"])
        if level > logging.INFO:
            words = [line["message"], *str(line.get("exception", "")).splitlines()]
            self.last_lines.extend((time.time(), each) for each in words)
        logging.getLogger(self.name).log(level, "%s", line["message"], extra={"line": {**line, "process": self.name}})
