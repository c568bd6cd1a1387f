"""The examination: what `spoolfarm doctor` finds, by a process of its own, kept for a while for all who ask."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import threading
import time
from typing import Any

from spoolfarm import config
from spoolfarm.errors import FarmError

#: Seconds for which the findings are good, also for who wants them anew, and those that an examination may take.
FRESH, SOON, PATIENCE = 60.0, 5.0, 60.0


class Examination:
    """The findings about the farm of *settings*; one process at a time looks for them."""

    def __init__(self, settings: config.Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._found: dict[str, Any] = {}
        self._looked = -math.inf

    def findings(self, *, again: bool = False) -> dict[str, Any]:
        """The `findings`, and when they were found, `at`; with *again* none older than a moment.

        Raises FarmError when the doctor does not come to an end.
        """
        with self._lock:
            if time.monotonic() - self._looked > (SOON if again else FRESH):
                self._found = {"at": time.time(), "findings": self._examine()}
                self._looked = time.monotonic()
            return self._found

    def _examine(self) -> list[dict[str, str]]:
        environment = {**os.environ, **self._settings.environment(), config.COMPLETE: "1"}
        command = [sys.executable, "-m", "spoolfarm.cli", "doctor", "--json"]
        try:
            said = subprocess.run(
                command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE, check=False
            )
            findings = [json.loads(line) for line in said.stdout.splitlines()]
        except (OSError, ValueError, subprocess.TimeoutExpired) as error:
            raise FarmError(f"the doctor has come to no end: {error}") from error
        failed = any(finding["level"] == "FAIL" for finding in findings)
        if said.returncode != failed:  # a traceback, or the kernel wanted its memory
            last = (said.stderr.decode(errors="replace").splitlines() or [f"status {said.returncode}"])[-1]
            raise FarmError(f"the doctor has come to no end: {last}")
        return findings
