"""Tasks with bad manners, for the tests."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any, ClassVar

from spoolfarm.spool.job import Job
from spoolfarm.tasks import Answer, Context, Params, Task
from spoolfarm.tasks.ocr.task import Ocr


class Poison(Task):
    """Kills its worker on sight."""

    min_images = 0

    def run(self, batch: Sequence[Job], context: Context) -> list[Any]:
        os.kill(os.getpid(), signal.SIGKILL)
        return []


class Crash(Task):
    """Ends its worker with a segmentation fault."""

    min_images = 0

    def run(self, batch: Sequence[Job], context: Context) -> list[Any]:
        context.log("about to crash")
        import ctypes

        ctypes.string_at(0)
        return []


class Grumpy(Task):
    """Fails, after a word about it."""

    class Wanted(Params):
        """What the failure says."""

        why: str

    Params = Wanted
    min_images = 0

    def run(self, batch: Sequence[Job], context: Context) -> list[Any]:
        context.log("I do not like it")
        raise ValueError(batch[0].params["why"])


class Deaf(Task):
    """Sleeps for *seconds* and hears nothing."""

    class Seconds(Params):
        """How long."""

        seconds: float

    Params = Seconds
    min_images = 0

    def run(self, batch: Sequence[Job], context: Context) -> list[Any]:
        time.sleep(batch[0].params["seconds"])
        return [{"slept": batch[0].params["seconds"]}]


class Slow(Deaf):
    """As Deaf, but for the workers kept aside."""

    lane: ClassVar[str] = "simulate"


class Hungry(Task):
    """Takes memory until it has *mb* MiB, or is stopped."""

    class Wanted(Params):
        """How much."""

        mb: int

    Params = Wanted
    min_images = 0
    max_batch = 8

    def run(self, batch: Sequence[Job], context: Context) -> list[Any]:
        eaten = []
        for job in batch:
            eaten += [b"x" * 2**20 for _ in range(job.params["mb"])]
        return [len(eaten) for _ in batch]


class Packing(Task):
    """Answers with two files: one from memory, one from the scratch directory."""

    min_images = 0

    def run(self, batch: Sequence[Job], context: Context) -> list[Any]:
        large = context.scratch() / "being made"
        large.write_bytes(b"L" * 100_000)
        return [Answer({"files": 2}, {"note.txt": "纸".encode(), "large.bin": large})]


class Digest(Task):
    """Says what it was sent, exactly."""

    def run(self, batch: Sequence[Job], context: Context) -> list[Any]:
        return [hashlib.sha256(job.images[0]).hexdigest() for job in batch]


class NoPicture(Task):
    """Wants no picture at all."""

    min_images = max_images = 0

    def run(self, batch: Sequence[Job], context: Context) -> list[Any]:
        return [None for _ in batch]


class Unloadable(Task):
    """Has a model that is not there."""

    min_images = 0

    def setup(self) -> None:
        raise FileNotFoundError("no such model")

    def run(self, batch: Sequence[Job], context: Context) -> list[Any]:
        return [None for _ in batch]


class Fragile(Ocr):
    """Reads the same on every scan, and dies of a page with letters."""

    def setup(self) -> None: ...

    def run(self, batch: Sequence[Job], context: Context) -> list[Any]:
        if b"Helvetica" in batch[0].images[0]:
            os.kill(os.getpid(), signal.SIGKILL)
        box = {"cx": 50, "cy": 50, "w": 80, "h": 20, "angle": 0}
        corners = [[10, 40], [90, 40], [90, 60], [10, 60]]
        line = {"name": "0", "text": "read", "score": 1.0, "box": box, "poly": corners, "block": 0, "row": 0}
        return [{"text": "read", "width": 100, "height": 100, "rotation": 0, "paragraphs": [[0]], "lines": [line]}]


class Forking(Task):
    """Leaves a child that comes back as if it were the worker."""

    min_images = 0

    def run(self, batch: Sequence[Job], context: Context) -> list[Any]:
        return ["child"] if os.fork() == 0 else ["parent"]


class Lingering(Task):
    """Leaves a thread behind that does not end."""

    min_images = 0

    def run(self, batch: Sequence[Job], context: Context) -> list[Any]:
        threading.Thread(target=threading.Event().wait).start()
        return ["done"]


class Daemonic(Task):
    """Starts a process in a session of its own, and says which."""

    min_images = 0

    def run(self, batch: Sequence[Job], context: Context) -> list[Any]:
        started = subprocess.Popen(["sleep", "600"], start_new_session=True, stdout=subprocess.DEVNULL)
        return [started.pid]


class Litter(Task):
    """Starts processes in sessions of their own, writes which into *note*, and hears nothing for *seconds*."""

    class Wanted(Params):
        """Where to, and how long."""

        note: str
        seconds: float = 0.0

    Params = Wanted
    min_images = 0

    def run(self, batch: Sequence[Job], context: Context) -> list[Any]:
        sleep = ["sleep", "600"]
        plain = subprocess.Popen(sleep, start_new_session=True)
        deaf = subprocess.Popen(["sh", "-c", "trap '' TERM HUP; sleep 600 & wait"], start_new_session=True)
        bare = subprocess.Popen(sleep, start_new_session=True, env={})
        daemon = subprocess.run(["setsid", "sh", "-c", "sleep 600 >&- & echo $!"], stdout=subprocess.PIPE, check=True)
        pids = [plain.pid, deaf.pid, bare.pid, int(daemon.stdout)]
        with open(batch[0].params["note"], "w") as note:
            note.write(" ".join(map(str, pids)) + "\n")
        time.sleep(batch[0].params["seconds"])
        return [pids]


class Wordy(Task):
    """Prints more than a pipe holds."""

    min_images = 0

    def run(self, batch: Sequence[Job], context: Context) -> list[Any]:
        for _ in range(3000):
            sys.stdout.write("x" * 100 + "\n")
        return ["said"]
