"""Tasks that speak, for the tests that listen."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from spoolfarm.errors import JobCancelled
from spoolfarm.spool.job import Job
from spoolfarm.tasks import Context, Params, Task


class Talker(Task):
    """Says so many numbered lines, with a *pause* of so many seconds after each."""

    class Wanted(Params):
        """How many, and how fast."""

        lines: int
        pause: float = 0.0

    Params = Wanted
    min_images = 0

    def run(self, batch: Sequence[Job], context: Context) -> list[Any]:
        lines = batch[0].params["lines"]
        for number in range(lines):
            context.log(f"line {number}")
            context.progress(number / lines)
            if context.cancelled():
                raise JobCancelled("cancelled while it spoke")
            time.sleep(batch[0].params["pause"])
        return [{"said": lines}]
