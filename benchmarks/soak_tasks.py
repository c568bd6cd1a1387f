"""The tasks of the soak: each says what it was sent, and its bytes say whether it dies, fails or takes its time."""

from __future__ import annotations

import hashlib
import os
import signal
import time
from collections.abc import Sequence
from typing import Any, ClassVar

from spoolfarm.spool.job import Job
from spoolfarm.tasks import Context, Params, Task

#: What a job may do, by the first word of its bytes, and the seconds that a slow one takes.
GOOD, SLOW, BAD, POISON = "good", "slow", "bad", "poison"
SLOWLY = 0.2
#: The file in the data directory in which every beginning of a job stands: its id, the attempt and its name.
RUNS = "soak-runs"


def digest(data: bytes) -> str:
    """What a job says that was sent *data*."""
    return hashlib.sha256(data).hexdigest()


class Soak(Task):
    """Says what it was sent."""

    pictures = False
    needs = ("FARM_DATA_DIR",)

    def prepare(self) -> None:
        """Nothing: it is there so that workers are forked, and there is a zygote to kill."""

    def run(self, batch: Sequence[Job], context: Context) -> list[Any]:
        return [{"digest": self._done(job, job.images[0])} for job in batch]

    def _done(self, job: Job, data: bytes) -> str:
        """Note that the job has begun, then do what *data* says."""
        manner, name, _ = data.split(b" ", 2)
        line = f"{job.id} {job.attempts} {name.decode()}\n"
        runs = os.open(
            f"{self.settings['FARM_DATA_DIR']}/{RUNS}", os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        )
        try:
            os.write(runs, line.encode())  # one write of one line: whole, whoever is killed
        finally:
            os.close(runs)
        if manner == POISON.encode():
            os.kill(os.getpid(), signal.SIGKILL)
        if manner == BAD.encode():
            raise ValueError("bad, as it was asked to be")
        if manner == SLOW.encode():
            time.sleep(SLOWLY)
        return digest(data)


class Page(Soak):
    """The same in the place of `ocr`, for what asks at `/tyocr`."""

    def run(self, batch: Sequence[Job], context: Context) -> list[Any]:
        return [{"text": self._done(job, job.images[0])} for job in batch]


class Training(Soak):
    """The same in the place of `simulate`, for what asks by Socket.IO."""

    class Sent(Params):
        """What stands for the bytes."""

        data: str

    Params = Sent
    min_images = max_images = 0
    lane: ClassVar[str] = "simulate"

    def run(self, batch: Sequence[Job], context: Context) -> list[Any]:
        context.log("begun")
        return [{"digest": self._done(job, job.params["data"].encode())} for job in batch]


#: Where each stand-in lies, by the name of its task.
STAND_INS = {
    "soak": "benchmarks.soak_tasks:Soak",
    "ocr": "benchmarks.soak_tasks:Page",
    "simulate": "benchmarks.soak_tasks:Training",
}
