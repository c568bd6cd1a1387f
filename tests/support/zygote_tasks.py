"""Tasks that share, or should not, for the tests of the zygote."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

from spoolfarm.spool.job import Job
from spoolfarm.tasks import Context, Params, Task


class Telling(Task):
    """Tells what it shares, after a while."""

    class Seconds(Params):
        """How long."""

        seconds: float = 0

    Params = Seconds
    min_images = 0
    #: Who has loaded it.
    loaded = 0

    def prepare(self) -> None:
        import numpy.random  # noqa: F401

        type(self).loaded = os.getpid()

    def run(self, batch: Sequence[Job], context: Context) -> list[Any]:
        import numpy as np

        time.sleep(batch[0].params["seconds"])
        files = {}
        for number in map(int, os.listdir("/proc/self/fd")):
            with contextlib.suppress(FileNotFoundError):  # the listing's own
                files[number] = os.readlink(f"/proc/self/fd/{number}")
        return [
            {
                "loaded": self.loaded,
                "pid": os.getpid(),
                "parent": os.getppid(),
                "session": os.getsid(0),
                "environment": dict(os.environ),
                "path": sys.path[0],
                "random": [random.random(), float(np.random.rand())],
                "files": files,
            }
        ]


class Late(Telling):
    """Is loaded once a file is there."""

    def prepare(self) -> None:
        while not os.path.exists(f"{os.environ['FARM_DATA_DIR']}.go"):
            time.sleep(0.01)
        super().prepare()


class Threaded(Telling):
    """Starts a thread where it must not."""

    def prepare(self) -> None:
        super().prepare()
        threading.Thread(target=threading.Event().wait, daemon=True).start()


class Unprepared(Telling):
    """Has weights that are not there."""

    def prepare(self) -> None:
        raise FileNotFoundError("no such weights")


class Fatal(Telling):
    """Takes the zygote with it while it is loaded."""

    def prepare(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


class Orphaning(Telling):
    """Leaves a process behind whose parent has ended; tells its number."""

    def run(self, batch: Sequence[Job], context: Context) -> list[Any]:
        return [int(subprocess.check_output(["sh", "-c", "sleep 0.2 >/dev/null & echo $!"]))]
