"""The time of day as the processes of one farm see it: a test moves it while they run.

Monotonic clocks, and the times that the kernel gives to files, are as ever.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

#: The variable that names the file with the seconds by which the clock is wrong.
VARIABLE = "JUMPING_CLOCK"
#: What Python runs at the start of every process.
AT_START = "from tests.support import jumping_clock\n\njumping_clock.install()\n"


class Clock:
    """The clock of a farm that is started with `settings`."""

    def __init__(self, path: Path, root: Path) -> None:
        """*root* is the checkout; *path* an empty directory for what this needs."""
        self._file = path / "seconds"
        self.jump(0)
        (path / "sitecustomize.py").write_text(AT_START)
        self.settings = {"PYTHONPATH": f"{path}:{root}", VARIABLE: str(self._file)}

    def jump(self, seconds: float) -> None:
        """Be so far from the true time from now on."""
        made = self._file.with_suffix(".new")
        made.write_text(str(seconds))
        os.replace(made, self._file)


def install() -> None:
    """Let this process have the clock of its farm."""
    path, true, true_ns = os.environ[VARIABLE], time.time, time.time_ns

    def wrong() -> float:
        with open(path, encoding="ascii") as file:
            return float(file.read())

    time.time = lambda: true() + wrong()
    time.time_ns = lambda: true_ns() + int(wrong() * 1e9)
