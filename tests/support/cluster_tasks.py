"""Tasks for the tests of executors: they speak, wait, die, and leave things behind, wherever they run."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from spoolfarm.errors import BrokenImage, FarmError, JobCancelled
from spoolfarm.spool.job import Job
from spoolfarm.tasks import Answer, Context, Params, Task

#: Seconds between looks for what is waited for.
LOOK = 0.02
#: The setting that makes them known.
PATHS = ",".join(f"{name.lower()}=tests.support.cluster_tasks:{name}" for name in ("Speaks", "Dies", "Deaf", "Splits"))


class Speaks(Task):
    """Says something, waits for the file *until* if it is to, and answers with files."""

    class Wanted(Params):
        """What to wait for, and what to do."""

        until: str = ""
        refuse: bool = False
        fail: bool = False
        nothing: bool = False

    Params = Wanted
    pictures = False
    min_images = 0

    def run(self, batch: Sequence[Job], context: Context) -> list[Any]:
        [job] = batch
        context.log("one line")
        context.progress(0.25)
        while job.params["until"] and not os.path.exists(job.params["until"]):
            if context.cancelled():
                raise JobCancelled("heard")
            time.sleep(LOOK)
        if job.params["refuse"]:
            return [BrokenImage("no picture", details={"page": 7})]
        if job.params["fail"]:
            raise Odd("it went wrong")
        if job.params["nothing"]:
            return [{"set": {1, 2}}]
        place = context.scratch() / "large"
        place.write_bytes(b"".join(job.images) * 1000)
        return [Answer({"pid": os.getpid(), "bytes": sum(map(len, job.images))}, {"small": b"s", "large": place})]


class Odd(Exception):
    """Cannot be made again from its text."""

    def __init__(self, text: str) -> None:
        super().__init__(text, object())
        self.text = text
        self.lock = threading.Lock()  # nothing can pickle it

    def __str__(self) -> str:
        return self.text


class Dies(Task):
    """Starts a process, writes its id into *note*, and kills its own."""

    class Wanted(Params):
        """Where to."""

        note: str

    Params = Wanted
    min_images = 0

    def run(self, batch: Sequence[Job], context: Context) -> list[Any]:
        with open(batch[0].params["note"], "a") as note:
            note.write(f"{subprocess.Popen(['sleep', '600']).pid}\n")
        os.kill(os.getpid(), signal.SIGKILL)
        return [None]


class Deaf(Task):
    """Hears of no cancellation, and takes longer than it may; notes its process."""

    class Wanted(Params):
        """Where to."""

        note: str

    Params = Wanted
    min_images = 0
    tries = 1

    def run(self, batch: Sequence[Job], context: Context) -> list[Any]:
        Path(batch[0].params["note"]).write_text(str(os.getpid()))
        time.sleep(600)
        return [None]


class Splits(Task):
    """Has its picture read in parts, as a document has its pages; says in which processes it and they ran."""

    pictures = False
    parts = ("speaks",)

    def run(self, batch: Sequence[Job], context: Context) -> list[Any]:
        [data] = batch[0].images
        parts = context.map("speaks", [(number, (data, {})) for number in range(3)])
        return [{"pid": os.getpid(), "parts": [_answer(outcome).value for _, outcome in parts]}]


def _answer(outcome: Answer | FarmError) -> Answer:
    if isinstance(outcome, FarmError):
        raise outcome
    return outcome
