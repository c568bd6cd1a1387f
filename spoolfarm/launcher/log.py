"""The log: a separate thread writes the lines, so that a stalled reader blocks nothing else."""

from __future__ import annotations

import logging
import queue
import sys
import threading
from types import TracebackType

from spoolfarm.spool import files

#: Lines that wait for a reader; lines beyond that are only counted.
MOST = 10_000
#: Seconds allowed for writing the last lines at the end.
FAREWELL = 1.0


class Log(logging.Handler):
    """Within it everything that is logged goes to standard error, each record as *lines* make it."""

    def __init__(self, lines: logging.Formatter) -> None:
        super().__init__(logging.INFO)
        self.setFormatter(lines)
        self._lines: queue.Queue[str | None] = queue.Queue(MOST)
        self._lost = 0
        self._thread = threading.Thread(target=self._write, name="log", daemon=True)

    def __enter__(self) -> Log:
        self._thread.start()
        logging.basicConfig(level=logging.INFO, handlers=[self])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        logging.getLogger().removeHandler(self)
        try:
            self._lines.put(None, timeout=FAREWELL)
        except queue.Full:
            return  # nobody reads
        self._thread.join(FAREWELL)

    def emit(self, record: logging.LogRecord) -> None:
        """Queue a line, or count it as lost."""
        try:
            self._lines.put_nowait(self.format(record))
        except queue.Full:
            self._lost += 1

    def _write(self) -> None:
        while (line := self._lines.get()) is not None:
            lost, self._lost = self._lost, 0
            if lost:
                line += f"\n{lost} lines were lost here, for nobody read them"
            try:
                # Not by sys.stderr: while a reader is waited for there, the end of the interpreter waits for its lock.
                files.write_all(sys.stderr.fileno(), f"{line}\n".encode(sys.stderr.encoding, "replace"))
            except (OSError, ValueError):
                continue  # the reader has gone
