"""The progress: how far a batch has come, as a bar on a terminal and as occasional lines elsewhere."""

from __future__ import annotations

import logging
import time
from collections import deque
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from spoolfarm.units import duration

#: Seconds over which the rate is measured.
WINDOW = 60.0
#: Seconds between two samples for the rate.
SAMPLE = 0.5
#: Seconds between updates of the bar, and between lines where there is no terminal.
REDRAW = 0.1
LINE = 10.0


class Pace:
    """How many jobs per second: since the first one ended, over the last minute."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int]] = deque()

    def note(self, now: float, ended: int) -> None:
        """Record how many have ended at *now*."""
        if ended and (not self._samples or now - self._samples[-1][0] >= SAMPLE):
            self._samples.append((now, ended))
        while len(self._samples) > 2 and now - self._samples[1][0] > WINDOW:
            self._samples.popleft()

    def rate(self, now: float, ended: int) -> float:
        """Jobs per second; 0 while that is not known."""
        if not self._samples or now <= (first := self._samples[0])[0]:
            return 0.0
        return (ended - first[1]) / (now - first[0])


class BatchProgress:
    """Shows on standard error how many of *total* are done; nothing but messages when *quiet*."""

    def __init__(self, total: int, *, earlier: int = 0, quiet: bool = False, console: Console | None = None) -> None:
        """*earlier* are those that an interrupted run has done."""
        self.total = total
        self.earlier = earlier
        self.ended = self.failed = 0
        #: What is wrong, as long as something is.
        self.note = ""
        self._quiet = quiet
        self._console = console or Console(stderr=True, highlight=False)
        self._pace = Pace()
        self._due = 0.0 if self._console.is_terminal else time.monotonic() + LINE
        columns = (BarColumn(bar_width=None), TextColumn("{task.fields[figures]}", markup=False))
        self._bar = Progress(*columns, console=self._console, auto_refresh=False, transient=True, expand=True)
        self._task = self._bar.add_task("", total=total, completed=earlier, figures="")
        self._logging = _Lines(self)

    def __enter__(self) -> BatchProgress:
        logging.getLogger().addHandler(self._logging)
        if self._console.is_terminal and not self._quiet:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar.live.is_started:
            self._bar.stop()
        logging.getLogger().removeHandler(self._logging)

    def count(self, *, failed: bool) -> None:
        """One more has ended."""
        self.ended += 1
        self.failed += failed

    def show(self) -> None:
        """Update the display, unless that was just done."""
        now = time.monotonic()
        self._pace.note(now, self.ended)
        if self._quiet or now < self._due:
            return
        if self._console.is_terminal:
            self._due = now + REDRAW
            self._bar.update(self._task, completed=self.earlier + self.ended, figures=self.figures(now), refresh=True)
        else:
            self._due = now + LINE
            self._console.print(self.figures(now), markup=False, soft_wrap=True)

    def say(self, message: str) -> None:
        """Print a line that stays."""
        self._bar.console.print(message, markup=False, soft_wrap=True)

    def figures(self, now: float) -> str:
        """`120/300, 2 failed, 1.93/s, 2 min left`, and what is wrong."""
        parts = [f"{self.earlier + self.ended}/{self.total}"]
        if self.failed:
            parts.append(f"{self.failed} failed")
        if rate := self._pace.rate(now, self.ended):
            parts.append(f"{rate:.{2 if rate < 10 else 0}f}/s")
            if (left := self.total - self.earlier - self.ended) and not self.note:
                parts.append(f"{duration(left / rate)} left")
        if self.note:
            parts.append(self.note)
        return ", ".join(parts)


class _Lines(logging.Handler):
    """Makes the farm's logged warnings appear above the bar."""

    def __init__(self, progress: BatchProgress) -> None:
        super().__init__(logging.WARNING)
        self._progress = progress

    def emit(self, record: logging.LogRecord) -> None:
        self._progress.say(f"spoolfarm: {record.getMessage()}")
